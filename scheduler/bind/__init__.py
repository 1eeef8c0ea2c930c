"""Takes Pods that have their node to the apiserver, and says how that ended."""
