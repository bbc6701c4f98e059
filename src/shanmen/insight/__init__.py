"""Reports over all modules: the day's figures, searches, charts.

It alone may read other modules' tables, and it writes nothing.
"""
