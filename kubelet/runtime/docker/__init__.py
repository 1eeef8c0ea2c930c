"""The runtime interface over Docker's Engine API: a pause container holds a sandbox's namespaces."""
