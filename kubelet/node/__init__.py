"""The node itself: what it has, how it is, that it lives, and its network."""
