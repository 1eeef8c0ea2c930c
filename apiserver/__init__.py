"""Step 1, ADMITTED: validates, defaults, stores in etcd, and serves get, list and watch.

The only part that talks to etcd.
"""
