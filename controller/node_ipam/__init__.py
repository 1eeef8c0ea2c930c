"""Pod addresses by node: each node gets a range of its own from the cluster's."""
