"""Step 4, SANDBOXED: a network namespace for each Pod, one address in it, and ways to every other Pod."""
