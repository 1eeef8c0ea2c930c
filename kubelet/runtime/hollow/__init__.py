"""A runtime without processes, for tests, simulations and loads (kwok's idea)."""
