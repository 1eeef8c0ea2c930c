"""The words of a watch (KEP-3157): types of events, and the mark that ends the current state."""

from typing import Final

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
#: carries the last state, at the version of the deletion
DELETED: Final = "DELETED"
#: carries a version only: everything up to it has been delivered
BOOKMARK: Final = "BOOKMARK"
#: annotation, "true" on the bookmark after the initial events
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
