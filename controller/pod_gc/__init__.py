"""Removing Pods that nobody else will: of lost nodes, never bound, or too many that have ended."""
