"""What a node does when it runs short of memory, disk or process ids: it says so, clears up, and evicts Pods."""
