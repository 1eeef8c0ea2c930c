"""Making room for a Pod by evicting Pods of a lower priority: which, and on which node.

All of it pure; `scheduler.eviction` does it.
"""
