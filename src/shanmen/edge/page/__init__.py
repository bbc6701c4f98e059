"""The guard's page: what each lane decides, by hand what has no device, and the emergency button.

The agent serves it itself, on this machine or on the gate's own network, with or without a server
behind it. Its texts, colours and scripts are those of the server's scanner page, read as package
data; no code of the server is loaded.
"""
