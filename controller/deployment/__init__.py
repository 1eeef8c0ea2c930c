"""Deployments: ReplicaSets of one template after the other."""
