"""Payment providers: the one interface the product speaks, and the clients that implement it.

``base`` holds the interface, its values and its errors. Every other file is one provider: the HTTP
client that asks it, and the check of what it sends back. Nothing here knows about tables, orders or
transactions; the caller records what it is about to ask, commits, and only then calls.
"""
