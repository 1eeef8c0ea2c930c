"""Serving: gRPC servers that are generic over bytes, with one wrapper for metrics, log, deadline and errors.

Health, probe, main.
"""
