"""Load generators, and the tables of what they measured. Nothing here asserts a time."""
