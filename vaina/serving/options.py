"""What the server asks of gRPC's core: bounds and times of connections, and why.

`docs/limits.md` has them as a table.

What the core bounds by itself (seen in `tests/component/test_wire_attacks*.py`): a length prefix is judged
before anything is buffered, CONTINUATION frames, resets, pings and SETTINGS have their own counts.
What it cannot bound: connections of one address, and the memory of connections together (resource quotas are
not for Python).
"""

from typing import Final

#: Requests up to 3 MiB are taken. What is a little larger is read and refused in Kubernetes' words; from here
#: on gRPC refuses by the length prefix, and nothing is read. 4 MiB is what gRPC takes by default.
MAX_RECEIVE_BYTES: Final = 4 * 1024 * 1024
#: names and values of a call's metadata together
MAX_METADATA_BYTES: Final = 16 * 1024
#: calls of one connection at a time (row 101); the reference's default for HTTP/2. Clients of the library
#: open more connections beyond it.
MAX_STREAMS: Final = 100
#: connections of all clients: 5,000 nodes have two each
MAX_CONNECTIONS: Final = 16_000
#: Calls that the core has and Python has not yet asked for. From here on the core turns calls away by chance,
#: from twice as many on all of them: cheaply, with CANCELLED. If the queue were longer, calls would wait
#: beyond their deadlines: opening a call takes 0.3 ms, a watch 1 ms.
MAX_PENDING: Final = 4_000
#: a connection says who it is within this time: TCP to HTTP/2 preface, and SETTINGS to their acknowledgement
#: (row 99)
HANDSHAKE_SECONDS: Final = 10
#: a connection without any call is closed (the reference's IdleTimeout); a half-sent header block is no call
IDLE_SECONDS: Final = 90
#: A connection is asked to make place for a new one after this time, so that load spreads over replicas (the
#: reference's --goaway-chance). Its calls go on; watches last an hour at most.
AGE_SECONDS, AGE_GRACE_SECONDS = 3600, 3900


def server_options(*, max_connections: int = MAX_CONNECTIONS) -> tuple[tuple[str, int], ...]:
    """Return the channel arguments of a server."""
    return (
        ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
        ("grpc.max_send_message_length", -1),
        # Soft and hard limit are one: between two, the core refuses by chance. Both bind a client once it has
        # acknowledged our SETTINGS; `vaina.serving.server` counts itself before that.
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        # No request is decompressed, as in Kubernetes' apiserver: 50 kB may be 50 MiB, and the core would
        # decompress it before a handler can refuse it. The bit is "identity"; a call with another encoding is
        # answered UNIMPLEMENTED by its header alone.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        # Counted by the core until Python has freed a call (`grpc.http.overload_protection`, on by default):
        # without it 40,000 resets got others' calls cancelled. As many calls as may be under way may wait for
        # that: a client begins the next one as soon as it has its answer.
        ("grpc.http2.max_deallocating_streams", MAX_STREAMS),
        ("grpc.max_allowed_incoming_connections", max_connections),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS * 1000),
        ("grpc.http2.settings_timeout", HANDSHAKE_SECONDS * 1000),
        ("grpc.max_connection_idle_ms", IDLE_SECONDS * 1000),
        ("grpc.max_connection_age_ms", AGE_SECONDS * 1000),
        ("grpc.max_connection_age_grace_ms", AGE_GRACE_SECONDS * 1000),
        ("grpc.server.max_pending_requests", MAX_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * MAX_PENDING),
        # The default of 300 s answers the keepalives of clients with GOAWAY.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 0),
        # A client that is gone without a word (a node that lost its network) frees its watches within 40 s.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Two processes on one port would share the connections in silence; better that the second fails.
        ("grpc.so_reuseport", 0),
    )
