"""Who changed what: every change of data by staff, with before and after, personal data masked.

Append-only: the application's role may add rows and read them, nothing else.
"""
