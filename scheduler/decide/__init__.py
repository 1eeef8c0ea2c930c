"""Which node a Pod gets, or why none. Pure: no I/O and no clock."""
