"""The order desk's use cases, one file for each kind of change."""
