"""The cluster's controllers: loops that turn objects into other objects.

In the modules that decide, `now` is seconds since the epoch where nothing else is said.
"""
