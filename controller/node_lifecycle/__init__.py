"""Nodes that fall silent: conditions, taints, Unknown Pods, and in the end eviction (requirements B14, D4)."""
