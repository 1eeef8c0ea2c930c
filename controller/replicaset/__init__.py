"""Replication: a ReplicaSet or ReplicationController keeps a number of Pods made from its template
(requirement D1).
"""
