"""The scheduler's configuration file: upstream's KubeSchedulerConfiguration, read strictly, made into profiles."""
