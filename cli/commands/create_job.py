"""`vaina create job` and `vaina create cronjob`: Jobs from the command line, as kubectl makes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from cli import flags
from cli.commands.making import make
from cli.failures import Failure
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.api.batch.v1 import job_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import CRON_JOB, JOB

#: annotation of a Job that a person made from a CronJob
_INSTANTIATE: Final = "cronjob.kubernetes.io/instantiate"
_RESTARTS: Final = ("OnFailure", "Never")


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What `create job` or `create cronjob` was asked for."""

    name: str
    image: str = ""
    command: Sequence[str] = ()
    #: cronjob/name
    source: str = ""
    schedule: str = ""
    restart: str = "Never"
    namespace: str = ""
    dry_run: str = "none"
    output: str = ""


def make_job(options: JobOptions, namespace: str) -> job_pb2.Job:
    """Make a Job with one container."""
    made = job_pb2.Job(metadata={"name": options.name, "namespace": namespace})
    _fill(made.spec, options)
    return made


def make_cron_job(options: JobOptions, namespace: str) -> job_pb2.CronJob:
    """Make a CronJob whose Jobs have one container."""
    made = job_pb2.CronJob(metadata={"name": options.name, "namespace": namespace})
    made.spec.schedule = options.schedule
    made.spec.job_template.metadata.name = options.name
    _fill(made.spec.job_template.spec, options)
    return made


def _fill(spec: job_pb2.JobSpec, options: JobOptions) -> None:
    pod = spec.template.spec
    pod.restart_policy = options.restart
    pod.containers.add(name=options.name, image=options.image, command=options.command)


def job_from(cron_job: job_pb2.CronJob, name: str) -> job_pb2.Job:
    """Make the Job that a CronJob would make, now."""
    template, meta = cron_job.spec.job_template, cron_job.metadata
    made = job_pb2.Job(metadata={"name": name, "namespace": meta.namespace})
    made.metadata.labels.update(template.metadata.labels)
    made.metadata.annotations.update(template.metadata.annotations)
    made.metadata.annotations[_INSTANTIATE] = "manual"
    made.metadata.owner_references.add(
        api_version=CRON_JOB.api_version, kind=CRON_JOB.kind, name=meta.name, uid=meta.uid, controller=True
    )
    made.spec.CopyFrom(template.spec)
    return made


async def create_job(shell: Shell, clients: Clientset, options: JobOptions) -> None:
    """Create a Job, or show it."""
    place = options.namespace or shell.namespace
    if bool(options.image) == bool(options.source):
        raise Failure("either --image or --from must be specified")
    if not options.source:
        made = make_job(options, place)
    else:
        if options.command:
            raise Failure("cannot specify --from and command")
        [target] = parse_targets([options.source], "create")
        if target.kind is not CRON_JOB or not target.name:
            raise Failure("from must be an existing cronjob")
        made = job_from(await clients.cron_jobs.get(target.name, place), options.name)
    await make(shell, clients, JOB, made, options)


async def create_cron_job(shell: Shell, clients: Clientset, options: JobOptions) -> None:
    """Create a CronJob, or show it."""
    made = make_cron_job(options, options.namespace or shell.namespace)
    await make(shell, clients, CRON_JOB, made, options)


@click.command("job")
@click.argument("name")
@click.argument("command", nargs=-1, metavar="-- [COMMAND]...")
@flags.writing
@flags.namespace
@click.option("--image", default="", help="Image of the container.")
@click.option(
    "--from", "source", default="", metavar="cronjob/NAME", help="Make the Job that a CronJob makes."
)
def create_job_command(**options: Any) -> None:
    """Make a Job."""
    given = JobOptions(**options)
    flags.start(lambda shell, clients: create_job(shell, clients, given))


@click.command("cronjob")
@click.argument("name")
@click.argument("command", nargs=-1, metavar="-- [COMMAND]...")
@flags.writing
@flags.namespace
@click.option("--image", required=True, help="Image of the container.")
@click.option("--schedule", required=True, help="When: five fields, @hourly and its like, or @every 90s.")
@click.option(
    "--restart", type=click.Choice(_RESTARTS), default="OnFailure", help="Restart policy of its Pods."
)
def create_cronjob_command(**options: Any) -> None:
    """Make a CronJob."""
    given = JobOptions(**options)
    flags.start(lambda shell, clients: create_cron_job(shell, clients, given))
