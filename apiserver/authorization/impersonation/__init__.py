"""Requests in somebody else's name: `headers` says whose, `modes` whether that may be, `impersonator` remembers.

Follows apiserver `pkg/endpoints/filters/impersonation`, with the feature ConstrainedImpersonation.
"""
