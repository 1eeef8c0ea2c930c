"""Judges of the scheduler that share nothing with it.

The plain reference (`reference/`), and the history of a load (`history.py`).
"""
