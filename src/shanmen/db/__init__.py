"""The database: engine, tenants' isolation, transactions, jobs in the outbox, locks.

Invariants: only :mod:`shanmen.db.session` commits; every tenant-owned table has `tenant_id` in its
primary key and a forced row-level security policy; a transaction sees one tenant or none.
"""
