"""The way from a command to a scheduler: its address, and manifests that become the Pods it is asked about.

The command talks to the scheduler itself (decision 099). A manifest goes through the apiserver first, as a
dry run: the scheduler is asked about the Pod that would really be stored, with its defaults and priority.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import click

from cli import flags
from cli.failures import Failure
from cli.files import into_namespace, read_objects, read_sources
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.errors import AlreadyExists, ApiError, Unavailable
from vaina.objects.manifest import Decoded

#: Pods of one call
MAX_PODS = 100
#: nothing is created, and the Pod of a template has a controller
_UNWANTED = (" has no controller: ",)


def _use_scheduler(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        flags.shell_of(context).scheduler = value


def scheduler_flag(command: flags.F) -> flags.F:
    """Add the flag that says which scheduler."""
    return click.option(
        "--scheduler", expose_value=False, callback=_use_scheduler, metavar="HOST:PORT",
        help="Address of the scheduler (VAINA_SCHEDULER, 127.0.0.1:10259).",
    )(command)  # fmt: skip


@asynccontextmanager
async def scheduler_client(shell: Shell) -> AsyncIterator[SchedulerClient]:
    """Give a client of the scheduler. Raises Failure: nobody answers there."""
    client = shell.connect_scheduler(shell.scheduler)
    try:
        yield client
    except Unavailable as error:
        raise Failure(
            f"the scheduler at {shell.scheduler} did not answer: {error.message} (--scheduler, VAINA_SCHEDULER)"
        ) from error
    finally:
        await client.close()


async def read_pods(
    shell: Shell, clients: Clientset, files: Sequence[str], *, recursive: bool
) -> list[pod_pb2.Pod]:
    """Read the Pods of manifests, and those of templates, as the apiserver would store them.

    Raises Failure: there is none, or too many; ApiError: the apiserver would refuse one.
    """
    objects = read_objects(read_sources(shell, files, recursive=recursive))
    pods: list[pod_pb2.Pod] = []
    without: list[str] = []
    for source, decoded in objects:
        if isinstance(decoded, ApiError):
            raise decoded
        into_namespace(shell, decoded)
        pod = _pod_of(decoded)
        if pod is None:
            without.append(f"{source.name}: {decoded.kind.kind} has no Pod template")
        else:
            pods.append(pod)
    if without and not pods:
        raise Failure(f"{without[0]}: a Pod, or what makes Pods, is needed")
    if len(pods) > MAX_PODS:
        raise Failure(f"{len(pods)} Pods are too many at once: at most {MAX_PODS}")
    for text in without:
        shell.err(f"{text}: left out")
    shell.unwanted_warnings = _UNWANTED
    return [await _as_stored(clients, pod) for pod in pods]


def _pod_of(decoded: Decoded) -> pod_pb2.Pod | None:
    """Return the Pod that an object is or makes; None: it has none."""
    obj: Any = decoded.message
    if isinstance(obj, pod_pb2.Pod):
        pod = pod_pb2.Pod()
        pod.CopyFrom(obj)
        if pod.metadata.uid:
            # Taken from a cluster: the question is about another one like it.
            pod.spec.ClearField("node_name")
        meta = pod.metadata
    elif hasattr(obj, "spec") and (hasattr(obj.spec, "template") or hasattr(obj.spec, "job_template")):
        # A CronJob makes Jobs, and they the Pods.
        spec = obj.spec if hasattr(obj.spec, "template") else obj.spec.job_template.spec
        pod = pod_pb2.Pod(metadata=spec.template.metadata, spec=spec.template.spec)
        meta = pod.metadata
        meta.name, meta.namespace = obj.metadata.name, obj.metadata.namespace
    else:
        return None
    kept = pod_pb2.Pod(spec=pod.spec)
    kept.metadata.name = meta.name or meta.generate_name.rstrip("-")
    kept.metadata.namespace = meta.namespace
    kept.metadata.labels.update(meta.labels)
    kept.metadata.annotations.update(meta.annotations)
    return kept


async def _as_stored(clients: Clientset, pod: pod_pb2.Pod) -> pod_pb2.Pod:
    """Let the apiserver complete and judge a Pod; that its name is taken is no reason to refuse."""
    try:
        made = await clients.pods.create(pod, dry_run=True, field_manager="vaina")
    except AlreadyExists:
        asked = pod_pb2.Pod()
        asked.CopyFrom(pod)
        asked.metadata.name, asked.metadata.generate_name = "", f"{pod.metadata.name}-"
        made = await clients.pods.create(asked, dry_run=True, field_manager="vaina")
        made.metadata.name = pod.metadata.name
    made.metadata.ClearField("generate_name")
    made.metadata.ClearField("uid")
    return made
