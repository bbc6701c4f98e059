"""Console pages of ticket types and their prices."""
