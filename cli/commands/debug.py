"""`vaina debug`: a container with tools beside a Pod's own, or in a copy of the Pod (row B12).

Follows `staging/src/k8s.io/kubectl/pkg/cmd/debug` (debug.go, profiles.go). Nodes are not debugged: the jump
Pod of the examples is for that.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import click

from cli import flags
from cli.app import cli
from cli.commands.logs import resolve_pod
from cli.commands.streams import AttachOptions, attach_or_log
from cli.failures import Failure
from cli.following import wait_pod
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import NotFound
from vaina.objects.encode import message_to_dict
from vaina.objects.normalise import normalise

#: generated names end in so many of these
_SUFFIX_LENGTH: Final = 5
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_PULL_POLICIES: Final = ("", "Always", "IfNotPresent", "Never")
_PROFILES: Final = ("legacy", "general", "baseline", "restricted", "netadmin", "sysadmin")
_PTRACE: Final = "SYS_PTRACE"

AnyContainer = pod_pb2.Container | pod_pb2.EphemeralContainerCommon


@dataclass(frozen=True, slots=True)
class DebugOptions:
    """What `debug` was asked for."""

    word: str
    command: Sequence[str] = ()
    image: str = ""
    container: str = ""
    target: str = ""
    stdin: bool = False
    tty: bool = False
    attach: bool | None = None
    quiet: bool = False
    env: Sequence[str] = ()
    pull_policy: str = ""
    arguments_only: bool = False
    profile: str = "general"
    copy_to: str = ""
    replace: bool = False
    same_node: bool = False
    set_image: Sequence[str] = ()
    #: None: as the profile says
    share_processes: bool | None = None

    @property
    def attaches(self) -> bool:
        return self.stdin if self.attach is None else self.attach


def check_options(options: DebugOptions) -> None:
    """Raise Failure for what makes no sense, in the reference's order."""
    copied, command, image = options.copy_to, options.command, options.image
    problems = (
        (
            options.attach and not image and not options.container,
            "you must specify --container or create a new container using --image in order to attach.",
        ),
        (
            copied and not image and not options.set_image and not command,
            "you must specify --image, --set-image or command arguments.",
        ),
        (
            copied and command and not options.container and not image,
            "you must specify an existing container or a new image when specifying args.",
        ),
        (not copied and options.replace, "--replace may only be used with --copy-to."),
        (not copied and options.same_node, "--same-node may only be used with --copy-to."),
        (not copied and options.set_image, "--set-image may only be used with --copy-to."),
        (not copied and not image, "you must specify --image when not using --copy-to."),
        (options.pull_policy not in _PULL_POLICIES, f"invalid image pull policy: {options.pull_policy}"),
        (
            copied and options.target,
            "--target is incompatible with --copy-to. Use --share-processes instead.",
        ),
        (options.tty and not options.stdin, "-i/--stdin is required for containers with -t/--tty=true"),
    )
    for is_wrong, words in problems:
        if is_wrong:
            raise Failure(words)


@flags.verb(cli, "debug", DebugOptions)
@click.argument("word", metavar="POD")
@click.argument("command", nargs=-1, metavar="-- COMMAND [ARGS]...")
@flags.namespace
@flags.text("--image", "Image with the tools.")
@flags.text("-c --container", "Name of the debug container; one is made up otherwise.")
@flags.text("--target", "See the processes of this container.")
@flags.flag("-i --stdin", "Keep stdin open, and attach.")
@flags.flag("-t --tty", "As a terminal.")
@click.option("--attach/--no-attach", default=None, help="Attach; as -i says otherwise.")
@flags.flag("-q --quiet", "Say less.")
@flags.several("--env", "NAME=VALUE of the environment; may be repeated.")
@flags.text("--image-pull-policy pull_policy", "Always, IfNotPresent or Never.")
@flags.flag("--arguments-only", "What follows -- is arguments of the image's own command.")
@flags.choice("--profile", _PROFILES, "general", "Rights of the container.")
@flags.text("--copy-to", "Make a copy of the Pod with this name instead.")
@flags.flag("--replace", "With --copy-to: delete the original.")
@flags.flag("--same-node", "With --copy-to: on the node of the original.")
@flags.several("--set-image", "With --copy-to: container=image pairs; * is all of them.")
@click.option("--share-processes/--no-share-processes", default=None, help="With --copy-to; yes by default.")
async def debug(shell: Shell, clients: Clientset, options: DebugOptions) -> None:
    """Add a container with tools to a Pod that runs, or make a copy of the Pod with one."""
    check_options(options)
    if options.target and not options.quiet:
        shell.out(
            f'Targeting container "{options.target}". If you don\'t see processes from this container it may be because '
            "the container runtime doesn't support this feature.\n"
        )
    pod = await resolve_pod(shell, clients, options.word)
    if options.copy_to:
        made, name = await _copy(shell, clients, pod, options)
    else:
        made, name = await _add(shell, clients, pod, options)
    if options.attaches and name:
        await _join(shell, clients, made, name, options)


async def _add(
    shell: Shell, clients: Clientset, pod: pod_pb2.Pod, options: DebugOptions
) -> tuple[pod_pb2.Pod, str]:
    name = _name(shell, pod, options)
    ephemeral = pod_pb2.EphemeralContainer(target_container_name=options.target)
    container = ephemeral.ephemeral_container_common
    container.name = name
    _fill(container, options)
    apply_profile(options.profile, container)
    meta = pod.metadata
    # With the uid: another Pod of that name may be there by now.
    patch = {"metadata": {"uid": meta.uid}, "spec": {"ephemeralContainers": [message_to_dict(ephemeral)]}}
    try:
        made = await clients.pods.patch(
            meta.name, json.dumps(patch), namespace=meta.namespace, subresource="ephemeralcontainers"
        )
    except NotFound as error:
        if error.name:
            raise
        raise Failure(
            f'ephemeral containers are disabled for this cluster (error from server: "{error.message}")'
        ) from error
    return made, name


async def _copy(
    shell: Shell, clients: Clientset, pod: pod_pb2.Pod, options: DebugOptions
) -> tuple[pod_pb2.Pod, str]:
    copied = pod_pb2.Pod()
    copied.metadata.name, copied.metadata.namespace = options.copy_to, pod.metadata.namespace
    copied.metadata.annotations.update(pod.metadata.annotations)
    copied.spec.CopyFrom(pod.spec)
    copied.spec.ClearField("ephemeral_containers")
    if not options.same_node:
        copied.spec.node_name = ""
    _set_images(copied, options.set_image)
    name = _debugged(shell, copied, options)
    if options.profile == "legacy":
        copied.metadata.labels.update(pod.metadata.labels)
    else:
        # The copy is for looking: it serves nobody, and nothing ends it.
        for container in (*copied.spec.containers, *copied.spec.init_containers):
            for probe in ("liveness_probe", "readiness_probe", "startup_probe"):
                container.ClearField(probe)
    shared = options.share_processes
    if shared is not None or options.profile in {"general", "baseline", "restricted", "netadmin", "sysadmin"}:
        copied.spec.share_process_namespace = shared is not False
    normalise(copied)
    made = await clients.pods.create(copied, field_manager="vaina")
    if options.replace:
        await clients.pods.delete(
            pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0, uid=pod.metadata.uid
        )
    return made, name


def _debugged(shell: Shell, copied: pod_pb2.Pod, options: DebugOptions) -> str:
    """Change or add the container that the copy is made for; return its name, "" where only images change."""
    found = next((item for item in copied.spec.containers if item.name == options.container), None)
    if found is None:
        if not options.image:
            if options.set_image:
                return ""
            raise Failure("you must specify image when creating new container")
        found = copied.spec.containers.add(name=_name(shell, copied, options))
    if options.command:
        found.ClearField("command")
        found.ClearField("args")
    _fill(found, options)
    apply_profile(options.profile, found)
    return str(found.name)


def _set_images(pod: pod_pb2.Pod, pairs: Sequence[str]) -> None:
    images = {}
    for text in ",".join(pairs).split(",") if pairs else ():
        name, equals, image = text.partition("=")
        if not equals or not image:
            raise Failure(f"invalid image: {text}")
        images[name] = image
    for container in pod.spec.containers:
        container.image = images.get(container.name, images.get("*", container.image))


def _fill(container: AnyContainer, options: DebugOptions) -> None:
    container.image = options.image or container.image
    container.image_pull_policy = options.pull_policy or container.image_pull_policy
    container.termination_message_policy = "File"
    container.stdin, container.tty = options.stdin, options.tty
    (container.args if options.arguments_only else container.command).extend(options.command)
    for text in options.env:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Failure(f"invalid env: {text}")
        container.env.add(name=name, value=value)


def apply_profile(profile: str, container: AnyContainer) -> None:
    """Give the container the rights that a profile stands for."""
    security = container.security_context
    match profile:
        case "general":
            security.capabilities.add.append(_PTRACE)
        case "netadmin":
            security.capabilities.add.extend(("NET_ADMIN", "NET_RAW"))
        case "sysadmin":
            security.privileged = True
        case "restricted":
            security.run_as_non_root, security.allow_privilege_escalation = True, False
            security.capabilities.drop.append("ALL")
            security.seccomp_profile.type = "RuntimeDefault"
        case _:
            container.ClearField("security_context")


def _names(pod: pod_pb2.Pod) -> set[str]:
    spec = pod.spec
    return {
        *(item.name for item in (*spec.containers, *spec.init_containers)),
        *(item.ephemeral_container_common.name for item in spec.ephemeral_containers),
    }


def _name(shell: Shell, pod: pod_pb2.Pod, options: DebugOptions) -> str:
    if options.container:
        return options.container
    taken, name = _names(pod), ""
    while not name or name in taken:
        name = "debugger-" + "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    if not options.quiet:
        shell.out(f"Defaulting debug container name to {name}.\n")
    return name


def _status(pod: pod_pb2.Pod, name: str) -> pod_pb2.ContainerStatus | None:
    status = pod.status
    listed = (*status.ephemeral_container_statuses, *status.container_statuses)
    return next((item for item in listed if item.name == name), None)


def _is_there(shell: Shell, name: str, *, quiet: bool) -> Callable[[pod_pb2.Pod], bool]:
    said = ""

    def accept(pod: pod_pb2.Pod) -> bool:
        nonlocal said
        found = _status(pod, name)
        if found is None:
            return False
        words = found.state.waiting.message
        if words and words != said and not quiet:
            said = words
            shell.warn(f"container {name}: {words}")
        return found.state.HasField("running") or found.state.HasField("terminated")

    return accept


async def _join(shell: Shell, clients: Clientset, pod: pod_pb2.Pod, name: str, options: DebugOptions) -> None:
    with shell.busy(f"waiting for container {name}"):
        now = await wait_pod(clients, pod, _is_there(shell, name, quiet=options.quiet), 0)
    wanted = AttachOptions(options.word, name, options.stdin, options.tty, options.quiet, from_start=True)
    await attach_or_log(shell, clients, now, wanted, follow=False)
