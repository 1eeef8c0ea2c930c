"""Images on the node: pull policies, back-off, credentials."""
