"""A load on kube-apiserver and kube-scheduler, binaries given by path, beside the same load on ours
(docs/load-reference.md).
"""
