"""The gRPC services: decode, call the registry, encode; nothing else."""
