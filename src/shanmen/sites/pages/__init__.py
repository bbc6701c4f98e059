"""Console pages of sites, staff, roles, keys, the audit log and one's own profile; signing in."""
