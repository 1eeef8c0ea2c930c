"""The scheduler's configuration file.

Upstream's KubeSchedulerConfiguration, read strictly, made into profiles.
"""
