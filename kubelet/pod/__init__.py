"""One Pod on this node: what is known of it, what to do next, what to say about it (pure), and the worker that does it."""
