"""The REST API of Kubernetes, spoken by the same clients: requests, watches, kubeconfigs, and the transport."""
