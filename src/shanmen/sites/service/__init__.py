"""Use cases: tenants and sites, roles, staff, signing in, API keys.

Passwords are hashed before a transaction begins (:class:`shanmen.sites.passwords.Passwords`), so
the functions that store one take its hash.
"""
