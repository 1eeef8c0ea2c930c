"""What keeps a Pod's containers from running, or has ended them. PURE; reasons are the kubelet's."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from vaina.api.core.v1 import pod_pb2
from vaina.objects import pods
from vaina.texts import Text, counted, say, sentence
from vaina.why.evidence import Evidence, Finding, said, shortened

_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")
_STARTING: Final = ("", "ContainerCreating", "PodInitializing")
_KEY: Final = re.compile(r"couldn't find key (\S+) in (ConfigMap|Secret) (\S+)")
_SIGNALS: Final = {1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE", 15: "TERM"}  # fmt: skip
#: exit codes that mean something
_CODES: Final = {
    0: say("it ends well, and its restartPolicy starts it again"),
    126: say("its command cannot be executed"),
    127: say("its command was not found"),
    137: say(
        "it was killed (SIGKILL), by its node or by hand: it did not end when it was told to, or something ran out"
    ),
    143: say("it was told to end (SIGTERM)"),
}
#: lines of a log that are shown
LOG_LINES: Final = 5

Status = pod_pb2.ContainerStatus


def troubles(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    """Return what is wrong with each container: of the others only when the init containers are through."""
    inits = {spec.name: spec for spec in pod.spec.init_containers}
    found: list[Finding] = []
    for status in pod.status.init_container_statuses:
        sidecar = status.name in inits and pods.is_restartable_init(inits[status.name])
        name = status.name
        where = say("sidecar {name}", name=name) if sidecar else say("init container {name}", name=name)
        found.extend(_of_container(given, pod, status, where))
    if not found:
        for status in pod.status.container_statuses:
            where = say("container {name}", name=status.name)
            found.extend(_of_container(given, pod, status, where))
    return found


def _of_container(given: Evidence, pod: pod_pb2.Pod, status: Status, where: Text) -> Iterator[Finding]:
    state = status.state
    if state.HasField("waiting"):
        yield from _waiting(given, pod, status, where)
    elif state.HasField("terminated") and state.terminated.exit_code:
        yield _ended(given, status, state.terminated, where)
    elif state.HasField("running") and status.last_state.HasField("terminated"):
        ended = status.last_state.terminated
        # A container that came back and is ready is told as history, where nothing is wrong.
        if ended.exit_code and not status.ready:
            yield _ended(given, status, ended, where)


def _waiting(given: Evidence, pod: pod_pb2.Pod, status: Status, where: Text) -> Iterator[Finding]:
    waiting, ended = status.state.waiting, status.last_state.terminated
    match waiting.reason:
        case reason if reason in _PULL:
            words = _pull_words(given, status)
            look = [given.describe()]
            if _is_forbidden(words):
                secrets = f"pod {given.name} -o jsonpath={{.spec.imagePullSecrets}}"
                look.append(given.command("get", secrets))
            what = say("The image of {where} cannot be pulled: {image}", where=where, image=status.image)
            yield Finding(what, said(words), look)
        case "InvalidImageName":
            what = say(
                "The image of {where} has a name that is none: {image}", where=where, image=status.image
            )
            yield Finding(what, said(waiting.message), [given.command("edit", f"pod/{given.name}")])
        case "ErrImageNeverPull":
            node = pod.spec.node_name
            yield Finding(
                say(
                    "The image of {where} is not on node {node}, and imagePullPolicy Never forbids to pull it: {image}",
                    where=where,
                    node=node,
                    image=status.image,
                ),
                said(waiting.message),
                [f"vaina get node {node} -o jsonpath={{.status.images}}"],
            )
        case "CrashLoopBackOff":
            yield _crash_loop(given, status, where)
        case "CreateContainerConfigError":
            yield given.missing_object(where, waiting.message) or _config(given, waiting.message, where)
        case reason if reason not in _STARTING:
            what = sentence("{where} could not be started: {reason}", where=where, reason=reason)
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


def _config(given: Evidence, message: str, where: Text) -> Finding:
    key = _KEY.search(message)
    if key is not None:
        owner = key[3].rpartition("/")[2]
        what = sentence(
            "{where} needs the key {key}, which the {kind} {owner} does not have",
            where=where, key=key[1], kind=key[2], owner=owner,
        )  # fmt: skip
        return Finding(what, said(message), [given.command("get", f"{key[2].lower()} {owner} -o yaml")])
    look = [given.command("get", f"pod {given.name} -o yaml")]
    return Finding(sentence("{where} cannot be made as its spec says", where=where), said(message), look)


def _crash_loop(given: Evidence, status: Status, where: Text) -> Finding:
    ended = status.last_state.terminated
    restarted = counted(
        "Restarted once; {message}", "Restarted {count} times; {message}", status.restart_count,
        message=shortened(status.state.waiting.message),
    )  # fmt: skip
    details = [restarted, *_log(given, status)]
    for probe in ("liveness", "startup"):
        failed = given.last("Unhealthy", words=f"{probe.capitalize()} probe failed", container=status.name)
        if failed is not None and ended.exit_code in (137, 143) and ended.reason != "OOMKilled":
            what = sentence(
                "{where} is ended again and again because it fails its {probe} probe",
                where=where,
                probe=probe,
            )
            return Finding(
                what, [shortened(failed.message), *details], [_logs(given, status), given.describe()]
            )
    what = sentence("{where} ends again and again: {how}", where=where, how=_how(ended))
    return Finding(what, [*said(ended.message), *details], _look_ended(given, status, ended))


def _ended(given: Evidence, status: Status, ended: pod_pb2.ContainerStateTerminated, where: Text) -> Finding:
    what = sentence("{where} has ended: {how}", where=where, how=_how(ended))
    if ended.finished_at.seconds:
        ago = given.ago(ended.finished_at)
        what = sentence("{where} has ended: {how}, {ago} ago", where=where, how=_how(ended), ago=ago)
    return Finding(what, [*said(ended.message), *_log(given, status)], _look_ended(given, status, ended))


def _how(ended: pod_pb2.ContainerStateTerminated) -> Text:
    code = ended.exit_code
    if ended.reason == "OOMKilled":
        return say("it used more memory than its limit (OOMKilled)")
    if ended.reason in {"StartError", "ContainerCannotRun"}:
        return say("its command could not be started ({reason})", reason=ended.reason)
    if ended.reason == "ContainerStatusUnknown":
        return say("nobody knows how: the node lost it")
    if code in _CODES:
        return say("exit code {code}: {meaning}", code=code, meaning=_CODES[code])
    if code > 128 and code - 128 in _SIGNALS:
        return say("exit code {code}: signal {signal}", code=code, signal=f"SIG{_SIGNALS[code - 128]}")
    return say("exit code {code}", code=code)


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
    return [say("The last lines of its log:"), *(f"  {line}" for line in lines)] if lines else []
