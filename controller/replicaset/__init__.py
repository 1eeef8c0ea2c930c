"""ReplicaSets and ReplicationControllers keep a number of Pods of one template (requirement D1)."""
