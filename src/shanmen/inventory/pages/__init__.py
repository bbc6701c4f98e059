"""Console pages of pools, schedules, slots, special days, and what tickets draw on."""
