"""Upstream's KubeSchedulerConfiguration, read strictly, and profiles made of it."""
