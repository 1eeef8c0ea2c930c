"""Component tests: one real service, or a part of it, with a real etcd (`make test-component`)."""

from tests.support.etcd import etcd, own_etcd, shared_etcd

__all__ = ["etcd", "own_etcd", "shared_etcd"]
