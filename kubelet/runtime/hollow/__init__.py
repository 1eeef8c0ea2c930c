"""A runtime without processes: sandboxes and containers that only say they run.

Used by tests, simulations and loads (kwok's idea).
"""
