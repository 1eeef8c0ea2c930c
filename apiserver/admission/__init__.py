"""Checks and changes that need more than the object itself: one plugin per file, run in order by the chain."""
