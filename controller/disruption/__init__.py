"""PodDisruptionBudgets: how many of their Pods may go now."""
