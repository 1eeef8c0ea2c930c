"""What may be done with objects: one store for every kind, a strategy for what is special about each."""
