"""What is sold: ticket types, prices, refund and reschedule rules, special days.

A *ticket type* admits `party_size` persons and draws on one or more stock pools (a *bundle* draws
on several). Its *price* on a day is the matching price rule of the highest priority. Each change
raises the tenant's catalog version, which the order desk checks inside its transaction.
"""
