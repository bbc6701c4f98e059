"""Money as double entry: every movement debits one account and credits another.

A *transfer* is balanced by construction. Accounts keep summed debits and credits, which an audit
recomputes from the transfers; transfers are append-only.
"""
