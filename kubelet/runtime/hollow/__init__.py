"""A runtime without processes: sandboxes and containers that only say they run.

For tests, simulations and load (kwok's idea).
"""
