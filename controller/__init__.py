"""The cluster's controllers: loops that turn objects into other objects. Times are seconds since the epoch."""
