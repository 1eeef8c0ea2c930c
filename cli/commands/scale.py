"""`vaina scale` and `vaina autoscale`: how many replicas there should be (`kubectl/pkg/cmd/autoscale`)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.commands.create import make
from cli.failures import Failure
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import Target, parse_named
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.client.clientset import Clientset
from vaina.client.verbs import ScalableClient
from vaina.kinds import HORIZONTAL_POD_AUTOSCALER
from vaina.objects import quantity


@flags.verb(cli, "scale")
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.namespace
@click.option("--replicas", type=int, required=True, help="How many there should be.")
@flags.integer("--current-replicas", -1, "Only when there are this many now.")
async def scale(
    shell: Shell, clients: Clientset, *, words: Sequence[str], replicas: int, current_replicas: int
) -> None:
    """Set the number of replicas of Deployments, StatefulSets, ReplicaSets, ReplicationControllers."""
    if replicas < 0:
        raise Failure("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    for target in parse_named(words, "scale"):
        if not target.kind.has_scale:
            raise Failure(f"cannot scale {target.kind.plural}: only kinds with replicas can be scaled")
        with shell.reporting():
            client: ScalableClient[Any] = ScalableClient(clients.transport, target.kind)
            current = await client.get_scale(target.name, shell.namespace)
            if current_replicas not in (-1, current.spec.replicas):
                raise Failure(f"Expected replicas to be {current_replicas}, was {current.spec.replicas}")
            current.spec.replicas = replicas
            if current_replicas == -1:
                current.metadata.resource_version = ""
            await client.update_scale(current)
            shell.out(f"{object_name(target.kind, target.name)} scaled\n")


#: what a number without a unit means
_UNITS = {"cpu": "m", "memory": "Mi"}


@dataclass(frozen=True, slots=True)
class AutoscaleOptions:
    """What `autoscale` was asked for."""

    words: Sequence[str]
    most: int = -1
    least: int = -1
    cpu_percent: int = -1
    cpu: str = ""
    memory: str = ""
    name: str = ""
    dry_run: str = "none"
    output: str = ""


def _make_autoscaler(options: AutoscaleOptions, target: Target, namespace: str) -> v2.HorizontalPodAutoscaler:
    made = v2.HorizontalPodAutoscaler(
        metadata={"name": options.name or target.name, "namespace": namespace},
        spec={
            "scale_target_ref": {
                "api_version": target.kind.api_version,
                "kind": target.kind.kind,
                "name": target.name,
            },
            "max_replicas": options.most,
        },
    )
    if options.least > 0:
        made.spec.min_replicas = options.least
    if options.cpu_percent > 0:
        _add(made, "cpu", f"{options.cpu_percent}%")
    for resource, text in (("cpu", options.cpu), ("memory", options.memory)):
        if text:
            _add(made, resource, text)
    return made


def _add(made: v2.HorizontalPodAutoscaler, resource: str, text: str) -> None:
    """Add a target: 70% of what is asked for, or an amount; a number alone is of milliCPU, or of mebibytes."""
    text = text.strip()
    target = made.spec.metrics.add(type="Resource", resource={"name": resource}).resource.target
    if text.endswith("%"):
        if not re.fullmatch(r"[0-9]{1,9}%", text):
            raise Failure(f"invalid percentage value: {text[:-1]}")
        target.type, target.average_utilization = "Utilization", int(text[:-1])
        return
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        text += _UNITS[resource]
    try:
        amount = quantity.canonical(text)
    except quantity.QuantityError as error:
        raise Failure(f"invalid resource {resource} value: {text}") from error
    target.type, target.average_value.string = "AverageValue", amount


def _check(options: AutoscaleOptions) -> None:
    if options.most < 1:
        raise Failure(f"--max=MAXPODS is required and must be at least 1, max: {options.most}")
    if options.most < options.least:
        raise Failure(
            f"--max=MAXPODS must be larger or equal to --min=MINPODS, max: {options.most}, min: {options.least}"
        )
    if options.cpu_percent > 0 and options.cpu:
        raise Failure("--cpu-percent and --cpu are mutually exclusive")


@flags.verb(cli, "autoscale", AutoscaleOptions)
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.writing
@flags.namespace
@flags.integer("--max most", -1, "The upper limit of replicas. Required.")
@flags.integer("--min least", -1, "The lower limit; the server says 1.")
@flags.integer("--cpu-percent", -1, "CPU, in percent of what the Pods ask for.")
@flags.text("--cpu", "CPU: 70% of what the Pods ask for, or 500m of each.")
@flags.text("--memory", "Memory: 60% of what the Pods ask for, or 200Mi of each.")
@flags.text("--name", "Of the autoscaler; the target's without this.")
async def autoscale(shell: Shell, clients: Clientset, options: AutoscaleOptions) -> None:
    """Keep as many replicas as what they use calls for."""
    _check(options)
    for target in parse_named(options.words, "autoscale"):
        if not target.kind.has_scale:
            raise Failure(
                f"cannot autoscale a {target.kind.kind}: the server could not find the requested resource"
            )
        with shell.reporting():
            scalable: ScalableClient[Any] = ScalableClient(clients.transport, target.kind)
            await scalable.get_scale(target.name, shell.namespace)
            await make(
                shell, clients, HORIZONTAL_POD_AUTOSCALER, _make_autoscaler(options, target, shell.namespace),
                dry_run=options.dry_run, output=options.output, did=("autoscaled", "vaina-autoscale"),
            )  # fmt: skip
