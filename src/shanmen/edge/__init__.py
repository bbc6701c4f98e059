"""The gate's agent: admits with and without network, and loses nothing when power does.

It serves all lanes of one entrance from one SQLite file. A decision is taken by
`admission.rules.decide`, the very function of the server, and is durable before a barrier opens.
What happened goes up to the server later, as often as it takes.
"""
