"""Transactions as an etcd sees them: they come as messages, or encoded already."""

from typing import Any

from aetcd.rpc import rpc_pb2


def read_txn(request: Any) -> Any:
    """Return a transaction that a client was asked to send as a message."""
    return rpc_pb2.TxnRequest.FromString(request) if isinstance(request, bytes) else request
