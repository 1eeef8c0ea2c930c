"""Claims that are made for a Pod's generic ephemeral volumes, and go with it."""
