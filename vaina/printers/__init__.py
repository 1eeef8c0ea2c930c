"""PURE: what a line of each kind shows: the truth behind `vaina get` and behind the Tables of the REST API."""
