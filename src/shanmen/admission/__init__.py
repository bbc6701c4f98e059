"""Admission at the gates: lanes, decisions, overrides, undoing.

A *scan* asks; a *decision* admits a number of persons or refuses with a reason. Every scan is kept
as a row, under the id that the device chose, so that a repeated scan gets the same decision.
Server and gate agent run the same rules (`admission.rules`).
"""
