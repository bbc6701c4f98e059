"""The ground everything stands on: time, ids, money, errors, encryption, settings.

Pure Python: nothing here knows a web framework, a database or another part of Shanmen, so the
gate agent and the simulator use the very same code as the server.
"""
