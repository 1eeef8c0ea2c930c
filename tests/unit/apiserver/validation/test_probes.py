"""Probes, hooks and stop signals: what is refused, in which words."""

from tests.unit.apiserver.validation.cases import PORT, Case, case, container, each, problems, violations

PROBES = (
    case(
        "a probe has a handler",
        "livenessProbe: {}",
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ),
    case(
        "a probe has one handler",
        "readinessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}, grpc: {port: 2}}",
        "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        "spec.containers[0].readinessProbe.grpc: Forbidden: may not specify more than 1 handler type",
    ),
    case(
        "each handler has what it needs",
        "livenessProbe: {exec: {}}, readinessProbe: {httpGet: {port: 0, scheme: FTP, httpHeaders: [{name: a b}]}}, startupProbe: {grpc: {port: 70000}}",
        "spec.containers[0].livenessProbe.exec.command: Required value",
        f"spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: {PORT}",
        'spec.containers[0].readinessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
        "spec.containers[0].readinessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
        f"spec.containers[0].startupProbe.grpc.port: Invalid value: 70000: {PORT}",
    ),
    case(
        "a probe may name a port",
        "livenessProbe: {tcpSocket: {port: Bad_}}",
        'spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: "Bad_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    ),
    case(
        "numbers of probes are not negative, their grace not zero",
        "livenessProbe: {tcpSocket: {port: web}, initialDelaySeconds: -1, timeoutSeconds: -1, periodSeconds: -1, successThreshold: -1, failureThreshold: -1, terminationGracePeriodSeconds: 0}",
        "spec.containers[0].livenessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0",
        "spec.containers[0].livenessProbe.timeoutSeconds: Invalid value: -1: must be greater than or equal to 0",
        "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: -1: must be greater than or equal to 0",
        "spec.containers[0].livenessProbe.failureThreshold: Invalid value: -1: must be greater than or equal to 0",
        "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: -1: must be 1",
    ),
    case(
        "a readiness probe ends nothing, so it has no grace period",
        "readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 5}",
        "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
    ),
    case(
        "one success is enough for a startup probe",
        "startupProbe: {tcpSocket: {port: 1}, successThreshold: 2}",
        "spec.containers[0].startupProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    case(
        "a hook has a handler, and sleeps no longer than the Pod's grace",
        "lifecycle: {postStart: {}, preStop: {sleep: {seconds: 31}}}",
        "spec.containers[0].lifecycle.postStart: Required value: must specify a handler type",
        "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
    ),
    case(
        "a hook does not sleep backwards",
        "lifecycle: {preStop: {sleep: {seconds: -1}}}",
        "spec.containers[0].lifecycle.preStop.sleep: Invalid value: -1: must be non-negative and less than terminationGracePeriodSeconds (30)",
    ),
    case("a hook may sleep for no time", "lifecycle: {preStop: {sleep: {seconds: 0}}}"),
    case(
        "a stop signal needs an operating system",
        "lifecycle: {stopSignal: SIGTERM}",
        "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`",
    ),
    case(
        "a stop signal is one of the operating system's",
        "lifecycle: {stopSignal: SIGFOO}",
        'spec.containers[0].lifecycle.stopSignal: Unsupported value: "SIGFOO": supported values: "SIGKILL", "SIGTERM"',
        spec="os: {name: windows}",
    ),
    case(
        "a real-time signal stops a container on Linux",
        "lifecycle: {stopSignal: SIGRTMIN+3}",
        spec="os: {name: linux}",
    ),
)


@each(PROBES)
def test_probes_and_hooks(case: Case) -> None:
    assert problems(container(case.given, case.spec)) == violations(*case.want)
