"""How long tests wait for what must happen: they go on the moment it has.

On a machine that does something else as well a second becomes ten; only what never happens takes
all of this time.
"""

PATIENCE_SECONDS = 60.0
"""For an answer, a message, something that a page shows."""
READY_SECONDS = 300.0
"""For a process that starts from nothing, with a database perhaps."""
STOP_SECONDS = 60.0
"""For a process that was asked to end."""
