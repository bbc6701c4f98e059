"""Tenants, their sites, zones and entrances; staff, roles, sessions and API keys.

A *tenant* is an operator: its data is invisible to all others. A *site* is one scenic area with a
public address (its slug). A *zone* is a part of a site that tickets give rights to; an *entrance*
leads into a zone. *Staff* sign in with ``login@tenant``; a *role* is a set of permissions.
"""
