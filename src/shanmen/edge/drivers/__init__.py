"""The hardware of an entrance: readers, barriers and passage sensors behind one small interface.

A reader or a sensor is a `base.Device`: it runs by itself, says by `base.Event` values what was
read or passed and whether it works, and connects again by itself, more and more slowly. A barrier
is told to open and answers with None or a `base.Fault`. Nothing here raises at a lane for what a
cable does.
"""
