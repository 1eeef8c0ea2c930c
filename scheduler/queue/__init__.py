"""Pods that wait: for a turn, for a back-off to pass, for the cluster to change, for their gates. Pure."""
