"""Certificates: authorities that issue them, folders that hold them, and the users that they name.

Imported only where certificates are configured: `cryptography` costs 0.1 s and 10 MB.
"""
