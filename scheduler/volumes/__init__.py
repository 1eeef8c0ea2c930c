"""What the scheduler knows of storage.

Volumes, claims, classes and drivers, and which volume a claim could have. No I/O.
"""
