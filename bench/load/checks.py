"""What the types do not say of a test case.

Counts, shares, templates, and keys that need or exclude one another. Called by `parse`.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from bench.load import allocatable
from bench.load.apps import BUILT_IN_PARAMS
from bench.load.owners import KINDS, ROLLING_KINDS
from bench.load.shares import share
from bench.load.steady import check_steady
from bench.load.templates import Template, TemplateError
from bench.load.workload import (
    MAX_APPS,
    MAX_SLEEP_SECONDS,
    AnyOperation,
    AppParams,
    Apps,
    AppTemplate,
    Churn,
    Counted,
    CreateAny,
    CreateNamespaces,
    CreateNodes,
    CreateObjects,
    CreatePods,
    DeletePods,
    NodeTemplate,
    Owners,
    Sleep,
    StartCollectingMetrics,
    StopCollectingMetrics,
    TestCase,
    UpdateAny,
    UpdateOwners,
    Workload,
    duration,
)
from vaina.kinds import DAEMON_SET

#: of a test case, as errors call it
KEY = "workloadTemplate"


class WorkloadError(Exception):
    """A workload that cannot be run; the text names the file and the field."""


class Checks:
    """What the types do not say of a test case."""

    def __init__(self, case: TestCase, place: str, folder: Path) -> None:
        self.case, self.place, self.folder = case, place, folder
        self.used: set[str] = set()

    def run(self) -> None:
        collecting = False
        for number, step in enumerate(self.case.workload_template):
            where = f"{self.place}: {KEY}[{number}]"
            self._counts(step, where)
            self._check_step(number, step, where)
            if isinstance(step, StartCollectingMetrics | StopCollectingMetrics):
                begins = isinstance(step, StartCollectingMetrics)
                if begins == collecting:
                    raise WorkloadError(
                        f"{where}: metrics are {'already' if begins else 'not'} being collected"
                    )
                collecting = begins
        if collecting:
            raise WorkloadError(f"{self.place}: {KEY}: stopCollectingMetrics is missing")
        for variant in self.case.workloads:
            unused = sorted(set(variant.params) - self.used)
            if unused:
                raise WorkloadError(f"{self.place}: workloads {variant.name}: params.{unused[0]} is not used")

    def _check_step(self, number: int, step: AnyOperation, where: str) -> None:
        if isinstance(step, DeletePods) and step.delete_pods_per_second and step.label_selector:
            raise WorkloadError(f"{where}: deletePodsPerSecond and labelSelector exclude one another")
        if isinstance(step, Churn) and step.every_pods and step.interval_milliseconds:
            raise WorkloadError(f"{where}: intervalMilliseconds and everyPods exclude one another")
        if isinstance(step, UpdateOwners):
            self._check_update(number, step, where)
        if isinstance(step, CreatePods):
            self._steady_or_owned(step, where)
        self._templates(step, where)

    def _counts(self, step: AnyOperation | Apps | Owners, where: str) -> None:
        if isinstance(step, CreatePods) and step.apps is not None:
            self._counts(step.apps, f"{where}.apps")
            self._check_apps(step.apps, f"{where}.apps")
        owned = isinstance(step, CreatePods) and step.owners is not None
        if (
            isinstance(step, Counted | Apps | Owners)
            and not owned
            and (step.count is None) == (not step.count_param)
        ):
            raise WorkloadError(f"{where}: one of count and countParam is needed")
        if isinstance(step, CreateAny | UpdateAny) and step.count is not None and step.count_param:
            raise WorkloadError(f"{where}: one of count and countParam is too many")
        if isinstance(step, Counted | CreateAny | UpdateAny | Apps | Owners) and step.count_param:
            self._param(step.count_param, f"{where}.countParam")
        if isinstance(step, Sleep):
            if bool(step.duration) == bool(step.duration_param):
                raise WorkloadError(f"{where}: one of duration and durationParam is needed")
            if step.duration_param:
                self._param(step.duration_param, f"{where}.durationParam")
                return
            try:
                seconds = duration(step.duration)
            except ValueError as error:
                raise WorkloadError(f"{where}.duration: {error}") from error
            if seconds > MAX_SLEEP_SECONDS:
                raise WorkloadError(f"{where}.duration: more than {MAX_SLEEP_SECONDS:.0f}s")

    def _steady_or_owned(self, step: CreatePods, where: str) -> None:
        for key, name in (
            ("durationParam", step.duration_param), ("podsPerSecondParam", step.pods_per_second_param),
        ):  # fmt: skip
            if name:
                self._param(name, f"{where}.{key}")
        try:
            check_steady(step, [Workload(self.case, variant, "") for variant in self.case.workloads])
        except ValueError as error:
            raise WorkloadError(f"{where}: {error}") from error
        if step.steady_state and step.apps and any(one.fits_nowhere for one in step.apps.templates):
            raise WorkloadError(f"{where}: steadyState and fitsNowhere exclude one another")
        if step.owners is not None:
            self._check_owners(step, step.owners, where)

    def _check_owners(self, step: CreatePods, owners: Owners, where: str) -> None:
        for key, given in (
            ("podTemplatePath", step.pod_template_path), ("apps", step.apps), ("steadyState", step.steady_state),
        ):  # fmt: skip
            if given:
                raise WorkloadError(f"{where}: {key} and owners exclude one another")
        if any(
            isinstance(one, CreateObjects) or (isinstance(one, CreatePods) and one.apps is not None)
            for one in self.case.workload_template
        ):
            raise WorkloadError(
                f"{where}: owners: controllers would act on apps and on what createObjects creates as well"
            )
        self._counts(owners, f"{where}.owners")
        template = self._template(owners.template_path, f"{where}.owners.templatePath", "")
        assert template is not None, "a path has a character at least"
        self._check_owner(owners, template, f"{where}.owners.templatePath")
        has_count = step.count is not None or bool(step.count_param)
        if template.kind is DAEMON_SET and has_count:
            raise WorkloadError(f"{where}: count: DaemonSets have a Pod on each node: leave it out")
        if template.kind is not DAEMON_SET and (step.count is None) == (not step.count_param):
            raise WorkloadError(f"{where}: one of count and countParam is needed")
        for variant in self.case.workloads:
            workload = Workload(self.case, variant, "")
            pods, count = workload.count(step), workload.count(owners)
            if not 1 <= count <= MAX_APPS:
                raise WorkloadError(
                    f"{where}.owners: workloads {variant.name}: {count} owners are not 1 to {MAX_APPS}"
                )
            if template.kind is not DAEMON_SET and (pods < count or pods % count):
                raise WorkloadError(
                    f"{where}.owners: workloads {variant.name}: {pods} Pods are not as many for each of {count} owners"
                )

    def _check_owner(self, owners: Owners, template: Template, where: str) -> None:
        if template.kind.kind not in KINDS:
            raise WorkloadError(
                f"{where}: {owners.template_path} is a {template.kind.kind}, none of {', '.join(KINDS)}"
            )
        if not template.generate_name or template.name:
            raise WorkloadError(
                f"{where}: {owners.template_path}: metadata.generateName is needed, and no name"
            )

    def _check_update(self, number: int, step: UpdateOwners, where: str) -> None:
        """See that there are owners before, of kinds whose controllers would do something."""
        found = False
        for before, one in enumerate(self.case.workload_template[:number]):
            if not isinstance(one, CreatePods) or one.owners is None:
                continue
            if (one.namespace or f"namespace-{before}") != step.namespace:
                continue
            found = True
            template = self._template(one.owners.template_path, f"{KEY}[{before}].owners.templatePath", "")
            if template is not None and template.kind.kind not in ROLLING_KINDS:
                raise WorkloadError(
                    f"{where}.namespace: in {step.namespace} is a {template.kind.kind}, none of {', '.join(ROLLING_KINDS)}"
                )
        if not found:
            raise WorkloadError(
                f"{where}.namespace: no createPods with owners in {step.namespace} comes before"
            )

    def _check_apps(self, apps: Apps, where: str) -> None:
        """Say what is wrong with the numbers and shares of apps."""
        for variant in self.case.workloads:
            count = Workload(self.case, variant, "").count(apps)
            if not 1 <= count <= MAX_APPS:
                raise WorkloadError(
                    f"{where}: workloads {variant.name}: {count} apps are not 1 to {MAX_APPS}"
                )
        _add_up(apps.templates, f"{where}.templates")
        names = {"run", "index", *BUILT_IN_PARAMS}
        for group, choices in apps.template_params.items():
            _add_up(choices, f"{where}.templateParams.{group}")
            own = set(choices[0].params)
            for number, choice in enumerate(choices):
                if set(choice.params) != own:
                    raise WorkloadError(
                        f"{where}.templateParams.{group}[{number}]: params are {_listed(choice.params)}, "
                        f"those of [0] are {_listed(own)}"
                    )
            if own & names:
                raise WorkloadError(
                    f"{where}.templateParams.{group}: {_listed(own & names)} is given already"
                )
            names |= own

    def _param(self, name: str, where: str) -> None:
        if not name.startswith("$"):
            raise WorkloadError(f'{where}: "{name}" must begin with $')
        self.used.add(name[1:])
        for variant in self.case.workloads:
            if name[1:] not in variant.params:
                raise WorkloadError(f"{where}: workloads {variant.name} has no params.{name[1:]}")

    def _templates(self, step: AnyOperation, where: str) -> None:
        match step:
            case CreateNodes():
                self._node_templates(step, where)
            case CreateNamespaces():
                self._template(step.namespace_template_path, f"{where}.namespaceTemplatePath", "Namespace")
            case CreatePods():
                self._pod_templates(step, where)
            case CreateAny():
                self._template(step.template_path, f"{where}.templatePath", "")
            case UpdateAny():
                self._updated(step, where)
            case CreateObjects():
                if not (self.folder / step.path).is_file():
                    raise WorkloadError(f"{where}.path: {step.path}: there is no such file")
            case Churn():
                for path in step.template_paths:
                    self._template(path, f"{where}.templatePaths", "")
            case _:
                return

    def _updated(self, step: UpdateAny, where: str) -> None:
        template = self._template(step.template_path, f"{where}.templatePath", "")
        assert template is not None, "a path has a character at least"
        if not template.name:
            raise WorkloadError(
                f"{where}.templatePath: {step.template_path}: metadata.name is needed: what is there is updated"
            )
        if template.kind.namespaced and not step.namespace:
            raise WorkloadError(f"{where}: namespace is needed: a {template.kind.kind} is in one")

    def _node_templates(self, step: CreateNodes, where: str) -> None:
        if step.node_allocatable_strategy is not None:
            try:
                allocatable.check(step.node_allocatable_strategy)
            except ValueError as error:
                raise WorkloadError(f"{where}.nodeAllocatableStrategy.{error}") from error
        self._template(step.node_template_path, f"{where}.nodeTemplatePath", "Node")
        if not step.node_templates:
            return
        if step.node_template_path:
            raise WorkloadError(f"{where}: nodeTemplatePath and nodeTemplates exclude one another")
        _add_up(step.node_templates, f"{where}.nodeTemplates")
        for number, one in enumerate(step.node_templates):
            self._template(
                one.node_template_path, f"{where}.nodeTemplates[{number}].nodeTemplatePath", "Node"
            )

    def _volume_templates(self, volumes: CreatePods | AppTemplate, where: str) -> None:
        volume, claim = volumes.persistent_volume_template_path, volumes.persistent_volume_claim_template_path
        if bool(volume) != bool(claim):
            raise WorkloadError(
                f"{where}: persistentVolumeTemplatePath and persistentVolumeClaimTemplatePath need one another"
            )
        self._template(volume, f"{where}.persistentVolumeTemplatePath", "PersistentVolume")
        self._template(claim, f"{where}.persistentVolumeClaimTemplatePath", "PersistentVolumeClaim")

    def _pod_templates(self, step: CreatePods, where: str) -> None:
        self._volume_templates(step, where)
        own = step.pod_template_path
        if step.apps is not None:
            for key, given in (
                ("podTemplatePath", own), ("persistentVolumeTemplatePath", step.persistent_volume_template_path),
            ):  # fmt: skip
                if given:
                    raise WorkloadError(f"{where}: {key} and apps exclude one another")
            templates = self._app_templates(step.apps, f"{where}.apps")
        else:
            key = f"{where}.podTemplatePath" if own else f"{self.place}: defaultPodTemplatePath"
            templates = [self._template(own or self.case.default_pod_template_path, key, "Pod")]
        self._gates(step, templates, where)

    def _gates(self, step: CreatePods, templates: Sequence[Template | None], where: str) -> None:
        if not step.gates_lifted_per_second:
            return
        for key, given in (("owners", step.owners), ("steadyState", step.steady_state)):
            if given:
                raise WorkloadError(f"{where}: gatesLiftedPerSecond and {key} exclude one another")
        if not any(one is not None and one.has_gates for one in templates):
            raise WorkloadError(f"{where}: gatesLiftedPerSecond: no template has spec.schedulingGates")

    def _app_templates(self, apps: Apps, where: str) -> list[Template | None]:
        """Read the ReplicaSets, and see that each parameter is used in one of them."""
        templates: list[Template | None] = []
        choices = apps.template_params.values()
        samples = [
            BUILT_IN_PARAMS
            | {key: value for some in choices for key, value in some[turn % len(some)].params.items()}
            for turn in range(max(map(len, choices), default=1))
        ]
        holes: set[str] = set()
        for number, one in enumerate(apps.templates):
            field = f"{where}.templates[{number}].templatePath"
            template = self._template(one.template_path, field, "ReplicaSet", samples)
            templates.append(template)
            self._volume_templates(one, f"{where}.templates[{number}]")
            holes |= template.holes if template else set()
            if template and "${app}" not in template.name:
                raise WorkloadError(f"{field}: {one.template_path}: metadata.name must have ${{app}} in it")
        for group, some in apps.template_params.items():
            unused = sorted(set(some[0].params) - holes)
            if unused:
                raise WorkloadError(f"{where}.templateParams.{group}: {_listed(unused)} is not used")
        return templates

    def _template(
        self, path: str, where: str, kind: str, samples: Sequence[Mapping[str, str]] = ({},)
    ) -> Template | None:
        if not path:
            return None  # the built-in one
        try:
            template = Template.read(self.folder / path, samples)
        except TemplateError as error:
            raise WorkloadError(f"{where}: {error}") from error
        found = template.kind.kind
        if kind and found != kind:
            raise WorkloadError(f"{where}: {path} is a {found}, not a {kind}")
        return template


def _add_up(shares: Sequence[AppTemplate | AppParams | NodeTemplate], where: str) -> None:
    total = Fraction(0)
    for number, one in enumerate(shares):
        try:
            total += share(one.share)
        except ValueError as error:
            raise WorkloadError(f"{where}[{number}].share: {error}") from error
    if total != 1:
        raise WorkloadError(f"{where}: shares add up to {total}, not 1")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
