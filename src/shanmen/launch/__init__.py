"""Starting and stopping the processes of a server on one machine."""
