"""Loops that turn objects into other objects: replication first."""
