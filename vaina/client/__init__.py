"""Clients of the API: transports, one client a kind, events, steps."""
