"""Leader election by Lease: of several processes that could do the same work, one does it."""
