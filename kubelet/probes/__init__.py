"""Probes: liveness, readiness and startup, by exec, http, tcp and grpc (rows A6, B9)."""
