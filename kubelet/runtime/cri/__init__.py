"""The runtime interface over a CRI socket (containerd)."""
