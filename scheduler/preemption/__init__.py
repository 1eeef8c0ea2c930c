"""Which Pods of a lower priority to evict for a Pod, and where. Pure; `scheduler.eviction` evicts."""
