"""What keeps a Pod's containers from running, or has ended them.

PURE; reasons are the kubelet's (and upstream's).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from cli.printers.duration import human_duration
from cli.why.evidence import Evidence, Finding, shortened
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.objects import pods

_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")
_STARTING: Final = ("", "ContainerCreating", "PodInitializing")
_MISSING: Final = re.compile(r'(configmap|secret)s? "([^"]+)" not found')
_KEY: Final = re.compile(r"couldn't find key (\S+) in (ConfigMap|Secret) (\S+)")
_SIGNALS: Final = {1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE", 15: "TERM"}  # fmt: skip
#: lines of a log that are shown
LOG_LINES: Final = 5

Status = pod_pb2.ContainerStatus


def troubles(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    """Return what is wrong with each container.

    Init containers first, and the others only when those are through.
    """
    inits = {spec.name: spec for spec in pod.spec.init_containers}
    found: list[Finding] = []
    for status in pod.status.init_container_statuses:
        sidecar = status.name in inits and pods.is_restartable_init(inits[status.name])
        word = "sidecar" if sidecar else "init container"
        found.extend(_of_container(given, pod, status, word))
    if not found:
        for status in pod.status.container_statuses:
            found.extend(_of_container(given, pod, status, "container"))
    return found


def _of_container(given: Evidence, pod: pod_pb2.Pod, status: Status, word: str) -> Iterator[Finding]:
    state = status.state
    if state.HasField("waiting"):
        yield from _waiting(given, pod, status, f"{word} {status.name}")
    elif state.HasField("terminated") and state.terminated.exit_code:
        yield _ended(given, pod, status, state.terminated, f"{word} {status.name}")
    elif state.HasField("running") and status.last_state.HasField("terminated"):
        ended = status.last_state.terminated
        # One that came back and is ready is told as history, by whoever finds nothing wrong.
        if ended.exit_code and not status.ready:
            yield _ended(given, pod, status, ended, f"{word} {status.name}")


def _waiting(given: Evidence, pod: pod_pb2.Pod, status: Status, where: str) -> Iterator[Finding]:
    waiting = status.state.waiting
    name = pod.metadata.name
    describe = given.command("describe", "pod", name)
    match waiting.reason:
        case reason if reason in _PULL:
            yield Finding(
                f"The image of {where} cannot be pulled: {status.image}",
                _words(_pull_words(given, status)),
                [describe, given.command("get", f"pod {name} -o jsonpath={{.spec.imagePullSecrets}}")]
                if _is_forbidden(_pull_words(given, status))
                else [describe],
            )
        case "InvalidImageName":
            yield Finding(
                f"The image of {where} has a name that is none: {status.image}", _words(waiting.message),
                [given.command("edit", f"pod/{name}")],
            )  # fmt: skip
        case "ErrImageNeverPull":
            yield Finding(
                f"The image of {where} is not on node {pod.spec.node_name}, and imagePullPolicy Never forbids to pull it: {status.image}",
                _words(waiting.message), [f"vaina get node {pod.spec.node_name} -o jsonpath={{.status.images}}"],
            )  # fmt: skip
        case "CrashLoopBackOff":
            yield _crash_loop(given, pod, status, where)
        case "CreateContainerConfigError":
            yield _config(given, pod, waiting.message, where)
        case reason if reason not in _STARTING:
            yield Finding(
                f"{where[:1].upper()}{where[1:]} could not be started: {reason}",
                _words(waiting.message),
                [describe],
            )
        case _:
            if status.last_state.HasField("terminated") and status.last_state.terminated.exit_code:
                yield _ended(given, pod, status, status.last_state.terminated, where)


def _pull_words(given: Evidence, status: Status) -> str:
    """Return what the registry said: the back-off's own message says less than the failure's event."""
    event = given.last("Failed", words="Failed to pull image", container=status.name)
    return event.message if event is not None else str(status.state.waiting.message)


def _is_forbidden(words: str) -> bool:
    lower = words.lower()
    return any(
        sign in lower for sign in ("unauthorized", "authentication", "denied", "forbidden", "401", "403")
    )


def _config(given: Evidence, pod: pod_pb2.Pod, message: str, where: str) -> Finding:
    missing, key = _MISSING.search(message), _KEY.search(message)
    if missing is not None:
        kind = "ConfigMap" if missing[1] == "configmap" else "Secret"
        return Finding(
            f"{where[:1].upper()}{where[1:]} needs the {kind} {missing[2]}, which does not exist",
            _words(message), [given.command("get", f"{missing[1]}s")],
        )  # fmt: skip
    if key is not None:
        owner = key[3].rpartition("/")[2]
        return Finding(
            f"{where[:1].upper()}{where[1:]} needs the key {key[1]}, which the {key[2]} {owner} does not have",
            _words(message), [given.command("get", f"{key[2].lower()} {owner} -o yaml")],
        )  # fmt: skip
    return Finding(
        f"{where[:1].upper()}{where[1:]} cannot be made as its spec says", _words(message),
        [given.command("get", f"pod {pod.metadata.name} -o yaml")],
    )  # fmt: skip


def _crash_loop(given: Evidence, pod: pod_pb2.Pod, status: Status, where: str) -> Finding:
    ended = status.last_state.terminated
    probe = given.last("Unhealthy", words="Liveness probe failed", container=status.name)
    startup = given.last("Unhealthy", words="Startup probe failed", container=status.name)
    how = _how(ended)
    times = f"{status.restart_count} times" if status.restart_count != 1 else "once"
    details = [f"Restarted {times}; {shortened(status.state.waiting.message)}"]
    failed = probe or startup
    if failed is not None and ended.exit_code in (137, 143) and ended.reason != "OOMKilled":
        return Finding(
            f"{where[:1].upper()}{where[1:]} is ended again and again because it fails its {'liveness' if probe else 'startup'} probe",
            [shortened(failed.message), *details, *_log(given, status)],
            [_logs(given, pod, status), given.command("describe", "pod", pod.metadata.name)],
        )
    return Finding(
        f"{where[:1].upper()}{where[1:]} ends again and again: {how}",
        [*_words(ended.message), *details, *_log(given, status)],
        _look_ended(given, pod, status, ended),
    )


def _ended(
    given: Evidence, pod: pod_pb2.Pod, status: Status, ended: pod_pb2.ContainerStateTerminated, where: str
) -> Finding:
    ago = human_duration(given.now - seconds_of(ended.finished_at)) if ended.finished_at.seconds else ""
    return Finding(
        f"{where[:1].upper()}{where[1:]} has ended: {_how(ended)}" + (f", {ago} ago" if ago else ""),
        [*_words(ended.message), *_log(given, status)],
        _look_ended(given, pod, status, ended),
    )


def _how(ended: pod_pb2.ContainerStateTerminated) -> str:
    code = ended.exit_code
    if ended.reason == "OOMKilled":
        return "it used more memory than its limit (OOMKilled)"
    if ended.reason in {"StartError", "ContainerCannotRun"}:
        return f"its command could not be started ({ended.reason})"
    if ended.reason == "ContainerStatusUnknown":
        return "nobody knows how: the node lost it"
    special = {
        0: "it ends well, and its restartPolicy starts it again",
        126: "its command cannot be executed", 127: "its command was not found",
        137: "it was killed (SIGKILL), by its node or by hand: it did not end when it was told to, or something ran out",
        143: "it was told to end (SIGTERM)",
    }  # fmt: skip
    if code in special:
        return f"exit code {code}: {special[code]}"
    if code > 128 and code - 128 in _SIGNALS:
        return f"exit code {code}: signal SIG{_SIGNALS[code - 128]}"
    return f"exit code {code}"


def _look_ended(
    given: Evidence, pod: pod_pb2.Pod, status: Status, ended: pod_pb2.ContainerStateTerminated
) -> list[str]:
    name = pod.metadata.name
    if ended.reason == "OOMKilled":
        limits = f'pod {name} -o jsonpath={{.spec.containers[?(@.name=="{status.name}")].resources}}'
        return [given.command("get", limits), given.command("top", "pod", name, "--containers")]
    if ended.reason in {"StartError", "ContainerCannotRun"}:
        return [given.command("get", f"pod {name} -o yaml")]
    return [_logs(given, pod, status)]


def _logs(given: Evidence, pod: pod_pb2.Pod, status: Status) -> str:
    # While it waits to be run again, the newest life is the one that failed.
    running = status.state.HasField("running")
    words = [pod.metadata.name, "-c", status.name, *(["--previous"] if running else [])]
    return given.command("logs", *words)


def _log(given: Evidence, status: Status) -> Sequence[str]:
    lines = [shortened(line, 200) for line in given.logs.get(status.name, ()) if line.strip()][-LOG_LINES:]
    return ["The last lines of its log:", *(f"  {line}" for line in lines)] if lines else []


def _words(message: str) -> list[str]:
    return [shortened(message)] if message.strip() else []
