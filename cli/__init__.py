"""The `vaina` command."""
