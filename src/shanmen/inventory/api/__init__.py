"""The API of availability, pools, schedules, slots and special days."""
