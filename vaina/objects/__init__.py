"""Pure functions on API objects: text forms, normal forms, quantities, selectors, field paths, patches.

Everything here is synchronous and total: no clock, no IO, no randomness. Every component stands on it.
"""
