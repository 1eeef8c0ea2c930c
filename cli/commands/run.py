"""`vaina run`: a Pod with one container, from the command line."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.commands.delete import wait_gone
from cli.commands.exec import ExecOptions, exec_in
from cli.printers.objects import print_json, print_yaml
from cli.shell import Exit, Failure, Shell
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import POD
from vaina.objects import pods
from vaina.objects.normalise import normalise

RESTART_POLICIES = ("Always", "OnFailure", "Never")
#: keeps a container there to be entered; ends at once when it is told to
_WAIT = "trap 'exit 0' TERM INT; while true; do sleep 3600 & wait $!; done"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run` was asked for."""

    name: str
    image: str
    arguments: Sequence[str] = ()
    command: bool = False
    restart: str = "Always"
    env: Sequence[str] = ()
    port: int = 0
    labels: str = ""
    pull_policy: str = ""
    namespace: str = ""
    dry_run: str = "none"
    output: str = ""
    stdin: bool = False
    tty: bool = False
    remove: bool = False

    @property
    def interactive(self) -> bool:
        """Whether the Pod is made to be entered."""
        return self.stdin or self.tty


def _pairs(texts: Sequence[str], what: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Failure(f"invalid {what}: {text}")
        found.append((name, value))
    return found


def make_pod(options: RunOptions, namespace: str) -> pod_pb2.Pod:
    """Make the Pod that `run` was asked for.

    Raises:
        Failure: the options make no sense.
    """
    if options.restart not in RESTART_POLICIES:
        raise Failure(f"invalid restart policy: {options.restart}")
    labels = dict(_pairs(options.labels.split(","), "label")) if options.labels else {"run": options.name}
    container = pod_pb2.Container(
        name=options.name, image=options.image, image_pull_policy=options.pull_policy
    )
    if options.interactive:
        container.command.extend(["sh", "-c", _WAIT])
    elif options.command:
        container.command.extend(options.arguments)
    else:
        container.args.extend(options.arguments)
    for name, value in _pairs(options.env, "env"):
        container.env.add(name=name, value=value)
    if options.port:
        container.ports.add(container_port=options.port)
    pod = pod_pb2.Pod(
        metadata={"name": options.name, "namespace": namespace, "labels": labels},
        spec={"containers": [container], "restart_policy": options.restart},
    )
    normalise(pod)
    return pod


async def run(shell: Shell, clients: Clientset, options: RunOptions) -> None:
    """Create the Pod; with -it, enter it once it runs; with --rm, delete it in the end."""
    if options.remove and not options.interactive:
        raise Failure("--rm should only be used for attached containers")
    pod = make_pod(options, options.namespace or shell.namespace)
    if options.dry_run == "client" and options.output in ("json", "yaml"):
        write = print_json if options.output == "json" else print_yaml
        shell.out(write([(POD, pod)], single=True))
        return
    if options.dry_run != "client":
        pod = await clients.pods.create(pod, dry_run=options.dry_run == "server", field_manager="vaina")
    if not options.interactive:
        suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[options.dry_run]
        shell.out(f"pod/{options.name} created{suffix}\n")
    elif options.dry_run == "none":
        await _enter(shell, clients, pod, options)


async def _enter(shell: Shell, clients: Clientset, pod: pod_pb2.Pod, options: RunOptions) -> None:
    """Run the command inside the Pod as `exec` does: there is no attach, and none is needed for a fresh Pod."""
    place, name = pod.metadata.namespace, pod.metadata.name
    try:
        await _wait_running(clients, pod)
        if shell.terminal.is_terminal:
            shell.err("If you don't see a command prompt, try pressing enter.")
        command = options.arguments or ("sh",)
        await exec_in(
            shell, clients, ExecOptions(name, command, options.name, place, options.stdin, options.tty)
        )
    finally:
        if options.remove:
            gone = await clients.pods.delete(name, place, uid=pod.metadata.uid)
            await wait_gone(shell, clients.kind(POD), place, name, gone.metadata.uid)  # type: ignore[arg-type]  # read as Messages
            shell.err(f'pod "{name}" deleted')


async def _wait_running(clients: Clientset, pod: pod_pb2.Pod) -> None:
    stream = clients.pods.watch(
        pod.metadata.namespace,
        field_selector=f"metadata.name={pod.metadata.name}",
        resource_version=pod.metadata.resource_version,
    )
    async with aclosing(stream) as batches:
        async for batch in batches:
            for event in batch.events:
                if pods.is_terminal(event.object):
                    raise Exit(1)
                if event.object.status.phase == "Running":
                    return
    raise Failure("the watch ended before the pod was running")


@click.command("run")
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="-- [ARGS]...")
@flags.writing
@flags.namespace
@click.option("--image", required=True, help="Image of the container.")
@click.option("--command", is_flag=True, help="The arguments replace the image's command, not its arguments.")
@click.option("--restart", type=click.Choice(RESTART_POLICIES), default="Always", help="Restart policy.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable; may be repeated.")
@click.option("--port", type=int, default=0, help="A port that the container serves.")
@click.option("--labels", "-l", default="", metavar="A=B,...", help="Labels, instead of run=NAME.")
@click.option("--image-pull-policy", "pull_policy", default="", help="Always, IfNotPresent or Never.")
@click.option("-i", "--stdin", is_flag=True, help="Enter the Pod: pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Enter the Pod: as a terminal.")
@click.option("--rm", "remove", is_flag=True, help="Delete the Pod when the command has ended.")
def run_command(**options: Any) -> None:
    """Make a Pod with one container."""
    given = RunOptions(**options)
    flags.start(lambda shell, clients: run(shell, clients, given))
