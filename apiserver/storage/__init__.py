"""Storage of encoded objects: one interface, implementations over etcd, in memory, and a watch cache in
front.
"""
