"""Rules for the ports of containers, and for probes and lifecycle hooks.

Follows `pkg/apis/core/validation`: validateContainerPorts, AccumulateUniqueHostPorts, ValidatePortNumOrName,
validateProbe, validateHandler, validateLifecycle.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names

_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_INT: Final = 0
_STRING: Final = 1


def check_ports(path: Place, ports: Iterable[pod_pb2.ContainerPort]) -> None:
    """Check the ports of one container."""
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        if port.name and at.child("name").check_value(port.name, names.port_name):
            at.child("name").check_unique(port.name, seen)
        if port.container_port == 0:
            at.child("containerPort").required()
        else:
            check_port_number(at.child("containerPort"), port.container_port)
        if port.host_port:
            check_port_number(at.child("hostPort"), port.host_port)
        at.child("protocol").check_choice(port.protocol, _PROTOCOLS)


def check_host_port_conflicts(path: Place, containers: Iterable[pod_pb2.Container]) -> None:
    """Report host ports that two of the containers ask for."""
    seen: set[str] = set()
    for number, container in enumerate(containers):
        for index, port in enumerate(container.ports):
            if not port.host_port:
                continue
            key = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if key in seen:
                path.index(number).child("ports").index(index).child("hostPort").duplicate(key)
            seen.add(key)


def check_host_network(path: Place, containers: Iterable[pod_pb2.Container], *, is_pod: bool) -> None:
    """Check ports of containers that use the host's network; a template may leave out host ports."""
    for number, container in enumerate(containers):
        for index, port in enumerate(container.ports):
            if (is_pod or port.host_port) and port.host_port != port.container_port:
                at = path.index(number).child("ports").index(index).child("hostPort")
                at.invalid(port.host_port, "must match `containerPort` when `hostNetwork` is true")


def check_number_or_name(path: Place, port: meta_pb2.IntOrString) -> None:
    """Check the port that a probe goes to: a number, or the name of a port of the container."""
    if port.type == _INT:
        check_port_number(path, port.int_val)
    elif port.type == _STRING:
        path.check_value(port.str_val, names.port_name)
    else:
        path.internal(f"unknown type: {port.type}")


def check_port_number(path: Place, number: int) -> None:
    """Check a port that can only be a number."""
    path.check_value(number, names.port_number)


_SCHEMES: Final = ("HTTP", "HTTPS")
_TWO_HANDLERS: Final = "may not specify more than 1 handler type"

_NUMBERS: Final = (
    "initial_delay_seconds", "timeout_seconds", "period_seconds", "success_threshold", "failure_threshold",
)  # fmt: skip

_STOP_SIGNALS_WINDOWS: Final = ("SIGKILL", "SIGTERM")
_STOP_SIGNALS_LINUX: Final = tuple(sorted((
    "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT", "SIGIO",
    "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSEGV", "SIGSTKFLT", "SIGSTOP",
    "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM",
    "SIGWINCH", "SIGXCPU", "SIGXFSZ", "SIGRTMIN", "SIGRTMAX",
    *(f"SIGRTMIN+{number}" for number in range(1, 16)), *(f"SIGRTMAX-{number}" for number in range(1, 15)),
)))  # fmt: skip

Handler = pod_pb2.ProbeHandler | pod_pb2.LifecycleHandler


def check_liveness(path: Place, probe: pod_pb2.Probe, grace: int | None) -> None:
    """Check a liveness or startup probe: one success must be enough."""
    _check_probe(path, probe, grace)
    if probe.success_threshold != 1:
        path.child("successThreshold").invalid(probe.success_threshold, "must be 1")


def check_readiness(path: Place, probe: pod_pb2.Probe, grace: int | None) -> None:
    """Check a readiness probe: it ends no container, so it has no grace period."""
    _check_probe(path, probe, grace)
    if probe.HasField("termination_grace_period_seconds"):
        path.child("terminationGracePeriodSeconds").invalid(
            probe.termination_grace_period_seconds, "must not be set for readinessProbes"
        )


def _check_probe(path: Place, probe: pod_pb2.Probe, grace: int | None) -> None:
    _check_handler(path, probe.handler, grace)
    path.check_counts(probe, *_NUMBERS)
    if probe.HasField("termination_grace_period_seconds") and probe.termination_grace_period_seconds <= 0:
        value = probe.termination_grace_period_seconds
        path.child("terminationGracePeriodSeconds").invalid(value, "must be greater than 0")


def _check_exec(path: Place, action: pod_pb2.ExecAction, _: int | None) -> None:
    if not action.command:
        path.child("command").required()


def _check_http_get(path: Place, action: pod_pb2.HTTPGetAction, _: int | None) -> None:
    if not action.path:
        path.child("path").required()
    check_number_or_name(path.child("port"), action.port)
    path.child("scheme").check_supported(action.scheme, _SCHEMES)
    for header in action.http_headers:
        path.child("httpHeaders").check_value(header.name, names.http_header)


def _check_tcp_socket(path: Place, action: pod_pb2.TCPSocketAction, _: int | None) -> None:
    check_number_or_name(path.child("port"), action.port)


def _check_grpc(path: Place, action: pod_pb2.GRPCAction, _: int | None) -> None:
    check_port_number(path.child("port"), action.port)


def _check_sleep(path: Place, action: pod_pb2.SleepAction, grace: int | None) -> None:
    if grace is not None and not 0 <= action.seconds <= grace:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        path.invalid(action.seconds, detail)


#: (field, name in manifests, check) in the order in which upstream looks at them
_ACTIONS: Final[tuple[tuple[str, str, Callable[[Place, Any, int | None], None]], ...]] = (
    ("exec", "exec", _check_exec),
    ("http_get", "httpGet", _check_http_get),
    ("tcp_socket", "tcpSocket", _check_tcp_socket),
    ("grpc", "grpc", _check_grpc),
    ("sleep", "sleep", _check_sleep),
)


def _check_handler(path: Place, handler: Handler, grace: int | None) -> None:
    given = {field.name: value for field, value in handler.ListFields()}
    first = True
    for field, shown, check in _ACTIONS:
        if field not in given:
            continue
        if first:
            check(path.child(shown), given[field], grace)
            first = False
        else:
            path.child(shown).forbidden(_TWO_HANDLERS)
    if first:
        path.required("must specify a handler type")


def check_lifecycle(path: Place, lifecycle: pod_pb2.Lifecycle, grace: int | None, os: str) -> None:
    """Check the hooks and the stop signal of a container; `os` is the Pod's spec.os.name."""
    if lifecycle.HasField("post_start"):
        _check_handler(path.child("postStart"), lifecycle.post_start, grace)
    if lifecycle.HasField("pre_stop"):
        _check_handler(path.child("preStop"), lifecycle.pre_stop, grace)
    if lifecycle.HasField("stop_signal"):
        _check_stop_signal(path.child("stopSignal"), lifecycle.stop_signal, os)


def _check_stop_signal(path: Place, signal: str, os: str) -> None:
    if not os:
        path.forbidden("may not be set for containers with empty `spec.os.name`")
        return
    allowed = _STOP_SIGNALS_WINDOWS if os == "windows" else _STOP_SIGNALS_LINUX
    path.check_supported(signal, allowed)
