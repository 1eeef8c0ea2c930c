"""Removes traces that were left behind.

Usually the apiserver lets a trace expire an hour after its Pod went.
"""
