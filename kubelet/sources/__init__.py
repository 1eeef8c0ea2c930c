"""Step 3, OBSERVED: where Pods come from."""
