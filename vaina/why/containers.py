"""What keeps a Pod's containers from running, or has ended them. PURE; reasons are the kubelet's."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from vaina.api.core.v1 import pod_pb2
from vaina.objects import pods
from vaina.why.evidence import Evidence, Finding, capitalised, said, shortened

_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")
_STARTING: Final = ("", "ContainerCreating", "PodInitializing")
_KEY: Final = re.compile(r"couldn't find key (\S+) in (ConfigMap|Secret) (\S+)")
_SIGNALS: Final = {1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE", 15: "TERM"}  # fmt: skip
#: lines of a log that are shown
LOG_LINES: Final = 5

Status = pod_pb2.ContainerStatus


def troubles(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    """Return what is wrong with each container: of the others only when the init containers are through."""
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
        yield _ended(given, status, state.terminated, f"{word} {status.name}")
    elif state.HasField("running") and status.last_state.HasField("terminated"):
        ended = status.last_state.terminated
        # A container that came back and is ready is told as history, where nothing is wrong.
        if ended.exit_code and not status.ready:
            yield _ended(given, status, ended, f"{word} {status.name}")


def _waiting(given: Evidence, pod: pod_pb2.Pod, status: Status, where: str) -> Iterator[Finding]:
    waiting, ended = status.state.waiting, status.last_state.terminated
    start = capitalised(where)
    match waiting.reason:
        case reason if reason in _PULL:
            words = _pull_words(given, status)
            look = [given.describe()]
            if _is_forbidden(words):
                secrets = f"pod {given.name} -o jsonpath={{.spec.imagePullSecrets}}"
                look.append(given.command("get", secrets))
            yield Finding(f"The image of {where} cannot be pulled: {status.image}", said(words), look)
        case "InvalidImageName":
            what = f"The image of {where} has a name that is none: {status.image}"
            yield Finding(what, said(waiting.message), [given.command("edit", f"pod/{given.name}")])
        case "ErrImageNeverPull":
            node = pod.spec.node_name
            yield Finding(
                f"The image of {where} is not on node {node}, and imagePullPolicy Never forbids to pull it: {status.image}",
                said(waiting.message),
                [f"vaina get node {node} -o jsonpath={{.status.images}}"],
            )
        case "CrashLoopBackOff":
            yield _crash_loop(given, status, where)
        case "CreateContainerConfigError":
            yield given.missing_object(start, waiting.message) or _config(given, waiting.message, start)
        case reason if reason not in _STARTING:
            what = f"{start} could not be started: {reason}"
            yield Finding(what, said(waiting.message), [given.describe()])
        case _:
            if ended.exit_code:
                yield _ended(given, status, ended, where)


def _pull_words(given: Evidence, status: Status) -> str:
    """Return what the registry said: the back-off's own message says less than the failure's event."""
    event = given.last("Failed", words="Failed to pull image", container=status.name)
    return event.message if event is not None else str(status.state.waiting.message)


def _is_forbidden(words: str) -> bool:
    lower = words.lower()
    return any(
        sign in lower for sign in ("unauthorized", "authentication", "denied", "forbidden", "401", "403")
    )


def _config(given: Evidence, message: str, start: str) -> Finding:
    key = _KEY.search(message)
    if key is not None:
        owner = key[3].rpartition("/")[2]
        what = f"{start} needs the key {key[1]}, which the {key[2]} {owner} does not have"
        return Finding(what, said(message), [given.command("get", f"{key[2].lower()} {owner} -o yaml")])
    look = [given.command("get", f"pod {given.name} -o yaml")]
    return Finding(f"{start} cannot be made as its spec says", said(message), look)


def _crash_loop(given: Evidence, status: Status, where: str) -> Finding:
    ended, start = status.last_state.terminated, capitalised(where)
    times = f"{status.restart_count} times" if status.restart_count != 1 else "once"
    details = [f"Restarted {times}; {shortened(status.state.waiting.message)}", *_log(given, status)]
    for probe in ("liveness", "startup"):
        failed = given.last("Unhealthy", words=f"{probe.capitalize()} probe failed", container=status.name)
        if failed is not None and ended.exit_code in (137, 143) and ended.reason != "OOMKilled":
            what = f"{start} is ended again and again because it fails its {probe} probe"
            return Finding(
                what, [shortened(failed.message), *details], [_logs(given, status), given.describe()]
            )
    what = f"{start} ends again and again: {_how(ended)}"
    return Finding(what, [*said(ended.message), *details], _look_ended(given, status, ended))


def _ended(given: Evidence, status: Status, ended: pod_pb2.ContainerStateTerminated, where: str) -> Finding:
    ago = f", {given.ago(ended.finished_at)} ago" if ended.finished_at.seconds else ""
    what = f"{capitalised(where)} has ended: {_how(ended)}{ago}"
    return Finding(what, [*said(ended.message), *_log(given, status)], _look_ended(given, status, ended))


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


def _look_ended(given: Evidence, status: Status, ended: pod_pb2.ContainerStateTerminated) -> list[str]:
    name = given.name
    if ended.reason == "OOMKilled":
        limits = f'pod {name} -o jsonpath={{.spec.containers[?(@.name=="{status.name}")].resources}}'
        return [given.command("get", limits), given.command("top", "pod", name, "--containers")]
    if ended.reason in {"StartError", "ContainerCannotRun"}:
        return [given.command("get", f"pod {name} -o yaml")]
    return [_logs(given, status)]


def _logs(given: Evidence, status: Status) -> str:
    # While it waits to be run again, the newest life is the one that failed.
    running = status.state.HasField("running")
    return given.command("logs", given.name, "-c", status.name, *(["--previous"] if running else []))


def _log(given: Evidence, status: Status) -> Sequence[str]:
    lines = [shortened(line, 200) for line in given.logs.get(status.name, ()) if line.strip()][-LOG_LINES:]
    return ["The last lines of its log:", *(f"  {line}" for line in lines)] if lines else []
