"""Storage in etcd. The only package that imports an etcd client.

Follows `aetcd.rpc`: the raw stubs and nothing else of it.
"""
