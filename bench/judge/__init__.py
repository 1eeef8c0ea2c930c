"""Judges of the scheduler that share nothing with it: the plain reference (`reference/`), and the history of a load (`history.py`)."""
