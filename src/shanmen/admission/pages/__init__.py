"""Pages of admission: the gate's own, and the lanes in the console."""
