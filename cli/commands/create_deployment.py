"""`vaina create deployment`: a Deployment from the command line, as kubectl makes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.commands.making import make
from cli.failures import Failure
from cli.shell import Shell
from vaina.api.apps.v1 import deployment_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import DEPLOYMENT


@dataclass(frozen=True, slots=True)
class DeploymentOptions:
    """What `create deployment` was asked for."""

    name: str
    images: Sequence[str]
    replicas: int = 1
    port: int = 0
    command: Sequence[str] = ()
    namespace: str = ""
    dry_run: str = "none"
    output: str = ""


def make_deployment(options: DeploymentOptions, namespace: str) -> deployment_pb2.Deployment:
    """Make the Deployment; a container is called as its image, without registry, tag and digest.

    Raises:
        Failure: the options make no sense.
    """
    if options.replicas < 0:
        raise Failure("--replicas must be greater than or equal to 0")
    if len(options.images) > 1 and options.command:
        raise Failure("cannot specify multiple --image options and command")
    labels = {"app": options.name}
    made = deployment_pb2.Deployment(
        metadata={"name": options.name, "namespace": namespace, "labels": labels},
        spec={
            "replicas": options.replicas,
            "selector": {"match_labels": labels},
            "template": {"metadata": {"labels": labels}},
        },
    )
    for image in options.images:
        name = image.rpartition("/")[2].partition("@")[0].partition(":")[0].replace("_", "-").lower()
        container = made.spec.template.spec.containers.add(name=name, image=image, command=options.command)
        if options.port:
            container.ports.add(container_port=options.port)
    return made


async def create_deployment(shell: Shell, clients: Clientset, options: DeploymentOptions) -> None:
    """Create the Deployment, or show it."""
    made = make_deployment(options, options.namespace or shell.namespace)
    await make(shell, clients, DEPLOYMENT, made, options)


@click.command("deployment")
@click.argument("name")
@click.argument("command", nargs=-1, metavar="-- [COMMAND]...")
@flags.writing
@flags.namespace
@click.option(
    "--image", "images", multiple=True, required=True, help="Image of a container; may be repeated."
)
@click.option("-r", "--replicas", type=int, default=1, help="How many Pods there should be.")
@click.option("--port", type=int, default=0, help="A port that the container serves.")
def create_deployment_command(**options: Any) -> None:
    """Make a Deployment."""
    given = DeploymentOptions(**options)
    flags.start(lambda shell, clients: create_deployment(shell, clients, given))
