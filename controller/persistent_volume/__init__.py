"""PersistentVolumes and claims: who gets which, what becomes of a volume whose claim is gone, and when either
may go.
"""
