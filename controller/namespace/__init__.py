"""Empties namespaces that are ending, then lets them go."""
