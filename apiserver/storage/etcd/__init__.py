"""Storage in etcd. The only package that imports an etcd client.

It uses `aetcd.rpc`, the raw stubs, and nothing else of aetcd.
"""
