"""Step 6 in detail: from a container of the spec to what the runtime is told, and its lifecycle hooks."""
