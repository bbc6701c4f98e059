"""Stock: pools, slots and the counters that cannot be oversold.

A *pool* is what is scarce (places at the main gate, seats of the cableway). A *schedule* says which
slots a day has; a *slot* is a pool's time window on one day. A *stock* row counts: capacity, held,
sold, with ``held + sold <= capacity`` as a CHECK. Each slot has one stock row of its own (same id);
a ticket type's cap within a slot is another. Whoever takes places locks stock rows sorted by id.
"""
