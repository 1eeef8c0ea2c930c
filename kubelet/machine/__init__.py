"""What the machine has: capacity, cgroups, file systems."""
