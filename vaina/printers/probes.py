"""Probes as text, in the words of kubectl's `DescribeProbe` (`kubectl/pkg/describe/describe.go`)."""

from typing import Any

from vaina.printers.cells import int_or_text


def show_probe(probe: Any) -> str:
    """Write a probe on one line."""
    handler = probe.handler
    if handler.HasField("exec"):
        what = f"exec [{' '.join(handler.exec.command)}]"
    elif handler.HasField("http_get"):
        get = handler.http_get
        what = f"http-get {(get.scheme or 'HTTP').lower()}://{get.host}:{int_or_text(get.port)}{get.path}"
    elif handler.HasField("tcp_socket"):
        what = f"tcp-socket {handler.tcp_socket.host}:{int_or_text(handler.tcp_socket.port)}"
    elif handler.HasField("grpc"):
        what = f"grpc <pod>:{handler.grpc.port} {handler.grpc.service}"
    else:
        what = "unknown"
    return (
        f"{what} delay={probe.initial_delay_seconds}s timeout={probe.timeout_seconds}s period={probe.period_seconds}s "
        f"#success={probe.success_threshold} #failure={probe.failure_threshold}"
    )
