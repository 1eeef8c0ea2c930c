"""What to do next for a Pod, and what to say of it, given what is known: pure, from values to values."""
