"""`vaina create KIND`: objects from the command line and from files, as kubectl makes them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from cli import flags
from cli.commands.create import create_command, creates, make
from cli.failures import Failure
from cli.shell import Shell
from cli.targets import parse_targets
from vaina import kinds
from vaina.api.apps.v1 import deployment_pb2
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import config_pb2, namespace_pb2, resource_quota_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.client.clientset import Clientset
from vaina.objects import quantity
from vaina.objects.selectors import SelectorError, parse_label_selector

#: a key and its value
_Pair = tuple[str, bytes]


def _read_data(
    made: config_pb2.ConfigMap | config_pb2.Secret,
    literals: Sequence[str],
    files: Sequence[str],
    env_files: Sequence[str],
) -> dict[str, bytes]:
    """Return the keys and values that were given for an object. Raises Failure: a key comes twice, for one."""
    if env_files and (files or literals):
        raise Failure("from-env-file cannot be combined with from-file or from-literal")
    data: dict[str, bytes] = {}
    for key, value in (*_from_files(files), *_literals(literals), *_env(env_files)):
        if key in data:
            raise Failure(
                f'cannot add key "{key}", another key by that name already exists in Data for '
                f'{made.DESCRIPTOR.name} "{made.metadata.name}"'
            )
        data[key] = value
    return data


def _literals(given: Sequence[str]) -> Iterator[_Pair]:
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Failure(f"invalid literal source {text}, expected key=value")
        yield key, value.encode()


def _from_files(given: Sequence[str]) -> Iterator[_Pair]:
    for text in given:
        key, equals, name = text.rpartition("=")
        path = Path(name)
        if equals and not key:
            raise Failure(f"key name for file path {name} missing")
        if not path.is_dir():
            yield key or path.name, _read(path)
        elif equals:
            raise Failure("cannot give a key name for a directory path")
        else:
            yield from ((file.name, _read(file)) for file in sorted(path.iterdir()) if file.is_file())


def _env(given: Sequence[str]) -> Iterator[_Pair]:
    for name in given:
        for line in _read(Path(name)).decode(errors="replace").splitlines():
            text = line.lstrip()
            if text and not text.startswith("#"):
                key, _, value = text.partition("=")
                yield key, value.encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"error reading {path}: {error.strerror}") from error


def _sources(command: flags.F) -> flags.F:
    for name, field, metavar, help_text in (
        ("--from-literal", "literals", "KEY=VALUE", "A key and its value."),
        ("--from-file", "files", "[KEY=]PATH", "A file, or those of a folder."),
        ("--from-env-file", "env_files", "PATH", "A file of KEY=VALUE lines."),
    ):
        command = click.option(name, field, multiple=True, metavar=metavar, help=help_text)(command)
    return command


@creates(kinds.CONFIG_MAP, "configmap")
@_sources
def fill_config_map(made: config_pb2.ConfigMap, **sources: Sequence[str]) -> None:
    """Make a ConfigMap."""
    for key, value in _read_data(made, **sources).items():
        try:
            made.data[key] = value.decode()
        except UnicodeDecodeError:
            made.binary_data[key] = value


@create_command.group("secret")
def create_secret_command() -> None:
    """Make a Secret: vaina create secret generic NAME."""


@creates(kinds.SECRET, "generic", create_secret_command)
@_sources
@flags.text("--type", "Type of the Secret: Opaque where nothing is said.")
def fill_secret(made: config_pb2.Secret, type: str, **sources: Sequence[str]) -> None:
    """Make a Secret of data that is given."""
    made.type = type
    made.data.update(_read_data(made, **sources))


#: of a requirement of a selector, as its message has them
_OPERATORS: Final = {"in": "In", "notin": "NotIn", "!=": "NotIn", "exists": "Exists", "!": "DoesNotExist"}


@creates(kinds.NAMESPACE, "namespace")
def fill_namespace(made: namespace_pb2.Namespace) -> None:
    """Make a Namespace."""


@creates(kinds.RESOURCE_QUOTA, "quota")
@flags.text("--hard", "The most that there may be.", "RESOURCE=AMOUNT,...")
@flags.text("--scopes", "Which objects count.", "SCOPE,...")
def fill_quota(made: resource_quota_pb2.ResourceQuota, *, hard: str, scopes: str) -> None:
    """Make a ResourceQuota."""
    for part in filter(None, hard.split(",")):
        resource, equals, amount = part.partition("=")
        if not equals or not resource:
            raise Failure(f"invalid argument syntax {part}, expected <resource>=<value>")
        try:
            made.spec.hard[resource].string = quantity.canonical(amount)
        except quantity.QuantityError as error:
            raise Failure(str(error)) from error
    made.spec.scopes.extend(filter(None, scopes.split(",")))


@creates(kinds.PRIORITY_CLASS, "priorityclass")
@flags.integer("--value", 0, "The priority of its Pods: the higher the more important.")
@flags.flag("--global-default", "For Pods that name no class.")
@flags.text("--description", "When it is to be used.")
@flags.text("--preemption-policy", "Or Never.", default="PreemptLowerPriority")
def fill_priority_class(
    made: priority_class_pb2.PriorityClass,
    *,
    value: int,
    global_default: bool,
    description: str,
    preemption_policy: str,
) -> None:
    """Make a PriorityClass."""
    made.value, made.global_default = value, global_default
    made.description, made.preemption_policy = description, preemption_policy


@creates(kinds.POD_DISRUPTION_BUDGET, "poddisruptionbudget")
@flags.text("--selector", "Which Pods it is about: a=b,c in (x,y).")
@flags.text("--min-available least", "How many must stay: 2 or 50%.", "NUMBER")
@flags.text("--max-unavailable most", "How many may go: 2 or 50%.", "NUMBER")
def fill_budget(
    made: pod_disruption_budget_pb2.PodDisruptionBudget, *, selector: str, least: str, most: str
) -> None:
    """Make a PodDisruptionBudget."""
    if not selector:
        raise Failure("a selector must be specified")
    if not least and not most:
        raise Failure("one of min-available or max-unavailable must be specified")
    if least and most:
        raise Failure("min-available and max-unavailable cannot be both specified")
    _fill_selector(made.spec.selector, selector)
    if least:
        made.spec.min_available.CopyFrom(_int_or_percent("min-available", least))
    else:
        made.spec.max_unavailable.CopyFrom(_int_or_percent("max-unavailable", most))


def _int_or_percent(flag: str, text: str) -> meta_pb2.IntOrString:
    if not re.fullmatch(r"[0-9]{1,9}%?", text):
        raise Failure(f"invalid format specified for {flag}")
    if text.endswith("%"):
        return meta_pb2.IntOrString(type=1, str_val=text)
    return meta_pb2.IntOrString(int_val=int(text))


def _fill_selector(made: meta_pb2.LabelSelector, text: str) -> None:
    try:
        parsed = parse_label_selector(text)
    except SelectorError as error:
        raise Failure(str(error)) from error
    made.SetInParent()
    for one in parsed.requirements:
        if one.operator in ("=", "=="):
            made.match_labels[one.key] = one.values[0]
        elif one.operator in _OPERATORS:
            made.match_expressions.add(
                key=one.key, operator=_OPERATORS[one.operator], values=sorted(one.values)
            )
        else:
            raise Failure(f'"{one.operator}" isn\'t supported in label selectors')


#: annotation of a Job that a person made from a CronJob
_INSTANTIATE: Final = "cronjob.kubernetes.io/instantiate"
_command = click.argument("command", nargs=-1, metavar="-- [COMMAND]...")


@creates(kinds.DEPLOYMENT, "deployment")
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
        if len(targets) != 1 or targets[0].kind is not kinds.CRON_JOB or not targets[0].name:
            raise Failure("from must be an existing cronjob")
        _fill_from(made, await clients.cron_jobs.get(targets[0].name, shell.namespace))
    await make(shell, clients, kinds.JOB, made, dry_run=options.dry_run, output=options.output)


def _fill_from(made: job_pb2.Job, cron_job: job_pb2.CronJob) -> None:
    template, meta = cron_job.spec.job_template, cron_job.metadata
    made.metadata.labels.update(template.metadata.labels)
    made.metadata.annotations.update(template.metadata.annotations)
    made.metadata.annotations[_INSTANTIATE] = "manual"
    made.metadata.owner_references.add(
        api_version=kinds.CRON_JOB.api_version,
        kind=kinds.CRON_JOB.kind,
        name=meta.name,
        uid=meta.uid,
        controller=True,
    )
    made.spec.CopyFrom(template.spec)


@creates(kinds.CRON_JOB, "cronjob")
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
