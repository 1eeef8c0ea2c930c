"""The runtime interface over Docker's Engine API.

A pause container holds a sandbox's namespaces, the Pod's containers join them.
"""
