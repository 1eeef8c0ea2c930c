"""`vaina create deployment`, `create job` and `create cronjob`, as kubectl makes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click

from cli import flags
from cli.commands.create import create_command, creates, make
from cli.failures import Failure
from cli.shell import Shell
from cli.targets import parse_targets
from vaina.api.apps.v1 import deployment_pb2
from vaina.api.batch.v1 import job_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import CRON_JOB, DEPLOYMENT, JOB

#: annotation of a Job that a person made from a CronJob
_INSTANTIATE: Final = "cronjob.kubernetes.io/instantiate"
_command = click.argument("command", nargs=-1, metavar="-- [COMMAND]...")


@creates(DEPLOYMENT, "deployment")
@_command
@click.option(
    "--image", "images", multiple=True, required=True, help="Image of a container; may be repeated."
)
@flags.integer("-r --replicas", 1, "How many Pods there should be.")
@flags.integer("--port", 0, "A port that the container serves.")
def fill_deployment(
    made: deployment_pb2.Deployment,
    *,
    command: Sequence[str],
    images: Sequence[str],
    replicas: int,
    port: int,
) -> None:
    """Make a Deployment."""
    if replicas < 0:
        raise Failure("--replicas must be greater than or equal to 0")
    if len(images) > 1 and command:
        raise Failure("cannot specify multiple --image options and command")
    template = made.spec.template
    for labels in (made.metadata.labels, made.spec.selector.match_labels, template.metadata.labels):
        labels["app"] = made.metadata.name
    made.spec.replicas = replicas
    for image in images:
        # As the image, without registry, tag and digest.
        name = image.rpartition("/")[2].partition("@")[0].partition(":")[0].replace("_", "-").lower()
        container = template.spec.containers.add(name=name, image=image, command=command)
        if port:
            container.ports.add(container_port=port)


def _fill_job(spec: job_pb2.JobSpec, name: str, image: str, command: Sequence[str], restart: str) -> None:
    spec.template.spec.restart_policy = restart
    spec.template.spec.containers.add(name=name, image=image, command=command)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What `create job` was asked for."""

    name: str
    command: Sequence[str]
    image: str
    #: cronjob/NAME
    source: str
    dry_run: str
    output: str


@flags.verb(create_command, "job", JobOptions)
@click.argument("name")
@_command
@flags.writing
@flags.namespace
@flags.text("--image", "Image of the container.")
@flags.text("--from source", "Make the Job that a CronJob makes.", "cronjob/NAME")
async def create_job(shell: Shell, clients: Clientset, options: JobOptions) -> None:
    """Make a Job."""
    name, image, source = options.name, options.image, options.source
    if bool(image) == bool(source):
        raise Failure("either --image or --from must be specified")
    made = job_pb2.Job(metadata={"name": name, "namespace": shell.namespace})
    if image:
        _fill_job(made.spec, name, image, options.command, "Never")
    else:
        if options.command:
            raise Failure("cannot specify --from and command")
        targets = parse_targets([source], "create")
        if len(targets) != 1 or targets[0].kind is not CRON_JOB or not targets[0].name:
            raise Failure("from must be an existing cronjob")
        _fill_from(made, await clients.cron_jobs.get(targets[0].name, shell.namespace))
    await make(shell, clients, JOB, made, dry_run=options.dry_run, output=options.output)


def _fill_from(made: job_pb2.Job, cron_job: job_pb2.CronJob) -> None:
    """Fill the Job that a CronJob would make now."""
    template, meta = cron_job.spec.job_template, cron_job.metadata
    made.metadata.labels.update(template.metadata.labels)
    made.metadata.annotations.update(template.metadata.annotations)
    made.metadata.annotations[_INSTANTIATE] = "manual"
    made.metadata.owner_references.add(
        api_version=CRON_JOB.api_version, kind=CRON_JOB.kind, name=meta.name, uid=meta.uid, controller=True
    )
    made.spec.CopyFrom(template.spec)


@creates(CRON_JOB, "cronjob")
@_command
@click.option("--image", required=True, help="Image of the container.")
@click.option("--schedule", required=True, help="When: five fields, @hourly and its like, or @every 90s.")
@flags.choice("--restart", ["OnFailure", "Never"], "OnFailure", "Restart policy of its Pods.")
def fill_cron_job(
    made: job_pb2.CronJob, *, command: Sequence[str], image: str, schedule: str, restart: str
) -> None:
    """Make a CronJob."""
    made.spec.schedule = schedule
    made.spec.job_template.metadata.name = made.metadata.name
    _fill_job(made.spec.job_template.spec, made.metadata.name, image, command, restart)
