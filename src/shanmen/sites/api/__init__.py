"""The API of sites and entrances, staff and roles, and the audit log."""
