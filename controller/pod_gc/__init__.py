"""Pods that nobody else will remove.

Of nodes that are no more, ending on nodes that are out of service, ending without ever having had a node,
ended and too many.
"""
