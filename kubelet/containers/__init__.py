"""What containers get: environment, names, DNS, cgroups, and what this node does not support."""
