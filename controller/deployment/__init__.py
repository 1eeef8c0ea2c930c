"""Deployments: ReplicaSets that follow one another, so that Pods of a new template take the place of older
ones.
"""
