"""Profiles made of a configuration: which plugins, in which order, with which weights and arguments."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from scheduler.config import load_configuration
from scheduler.configuration.load import ConfigurationError, read_configuration
from scheduler.configuration.profiles import make_profiles
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Frameworks, Profile
from tests.unit.scheduler.objects import pod, pod_class
from vaina.config import ConfigError

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
SCORES = [(item.plugin.name, item.weight) for item in default_profile().scores]
FILTERS = [item.name for item in default_profile().filters]


def profile(text: str) -> Profile:
    [made] = make_profiles(read_configuration(f"{HEAD}profiles: [{{{text}}}]").profiles)
    return made


def scores(made: Profile) -> list[tuple[str, int]]:
    return [(item.plugin.name, item.weight) for item in made.scores]


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    want: list[tuple[str, int]]


def less(*names: str) -> list[tuple[str, int]]:
    return [item for item in SCORES if item[0] not in names]


CASES = [
    Case("nothing said is the default", "", SCORES),
    Case("one less", "score: {disabled: [{name: ImageLocality}]}", less("ImageLocality")),
    Case("one less everywhere", "multiPoint: {disabled: [{name: ImageLocality}]}", less("ImageLocality")),
    Case("only those that are named", "score: {disabled: [{name: '*'}], enabled: [{name: ImageLocality, weight: 7}]}",
         [("ImageLocality", 7)]),
    Case("a weight of its own comes first, as upstream has it", "score: {enabled: [{name: ImageLocality, weight: 7}]}",
         [("ImageLocality", 7), *less("ImageLocality")]),
    Case("no weight is 1, also where the default is more", "score: {enabled: [{name: TaintToleration}]}",
         [("TaintToleration", 1), *less("TaintToleration")]),
    Case("a default plugin enabled again keeps its place", "multiPoint: {enabled: [{name: NodeAffinity, weight: 9}]}",
         [(name, 9 if name == "NodeAffinity" else weight) for name, weight in SCORES]),
    Case("what score says goes before what multiPoint says",
         "multiPoint: {enabled: [{name: ImageLocality, weight: 9}]}, score: {enabled: [{name: ImageLocality, weight: 2}]}",
         [("ImageLocality", 2), *less("ImageLocality")]),
    Case("a plugin of many points may be kept out of one", "score: {disabled: [{name: NodeAffinity}]}",
         less("NodeAffinity")),
    Case("what upstream has and we have not may be disabled", "multiPoint: {disabled: [{name: DynamicResources}]}",
         SCORES),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_scores_and_weights(case: Case) -> None:
    assert scores(profile(f"plugins: {{{case.text}}}")) == case.want


def test_filters_that_are_disabled_are_gone_with_their_hints() -> None:
    names = "{disabled: [{name: NodePorts}, {name: NodeAffinity}]}"
    made = profile(f"plugins: {{preFilter: {names}, filter: {names}}}")
    assert [item.name for item in made.filters] == [
        name for name in FILTERS if name not in ("NodePorts", "NodeAffinity")
    ]
    assert all("NodePorts" not in hints for hints in Framework(made).hints.values())


def test_a_scheduler_of_nothing_but_what_must_be() -> None:
    made = profile(
        "plugins: {multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}, {name: DefaultBinder}]}}"
    )
    assert (made.filters, made.scores, made.pre_enqueue, made.post_filters) == ((), (), (), ())


def test_each_profile_decides_for_its_own_pods_and_is_asked_with_its_own_hints() -> None:
    text = "profiles: [{schedulerName: a}, {schedulerName: b, plugins: {multiPoint: {disabled: [{name: NodePorts}]}}}]"
    made = make_profiles(read_configuration(HEAD + text).profiles)
    frameworks = Frameworks([Framework(item) for item in made])
    assert frameworks.names == {"a", "b"}
    asked = {name: pod_class(pod(scheduler=name, ports=[(80, "")])) for name in ("a", "b")}
    assert {name: frameworks.of(item).profile.name for name, item in asked.items()} == {"a": "a", "b": "b"}
    hints = [hints["NodePorts"] for hints in frameworks.hints.values() if "NodePorts" in hints]
    assert hints
    assert any(hint(asked["a"], None, None) for hint in hints)
    assert not any(hint(asked["b"], None, None) for hint in hints)


class Green:
    """A plugin that is none of ours."""

    name = "Green"

    def pre_enqueue(self, pod: object) -> str:
        return ""


def point(name: str, value: str) -> dict[str, EntryPoint]:
    return {name: EntryPoint(name, value, "vaina.scheduler.plugins")}


def with_others(text: str, others: dict[str, EntryPoint]) -> Profile:
    [made] = make_profiles(read_configuration(f"{HEAD}profiles: [{{{text}}}]").profiles, third_party=others)
    return made


def test_a_plugin_of_others_takes_part_when_a_profile_names_it() -> None:
    others = point("Green", f"{__name__}:Green")
    enabled = with_others("plugins: {multiPoint: {enabled: [{name: Green}]}}", others)
    assert [item.name for item in enabled.pre_enqueue] == ["SchedulingGates", "Green"]
    assert [item.name for item in with_others("", others).pre_enqueue] == ["SchedulingGates"]


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("no_such_module:Green", "no_such_module:Green cannot be imported: No module named 'no_such_module'"),
        (f"{__name__}:Blue", "cannot be imported"),
        (f"{__name__}:point", "is no class"),
        (f"{__name__}:Case", 'the plugin calls itself "", and its entry point "Green"'),
    ],
)
def test_a_plugin_of_others_that_is_none_is_named(value: str, want: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        with_others("plugins: {multiPoint: {enabled: [{name: Green}]}}", point("Green", value))
    assert want in str(raised.value)
    assert str(raised.value).startswith("profiles[0].plugins")


def test_a_broken_plugin_that_nobody_names_harms_nobody() -> None:
    assert with_others("", point("Green", "no_such_module:Green")).filters


def test_the_file_says_who_leads_and_flags_go_before_it(tmp_path) -> None:
    path = tmp_path / "scheduler.yaml"
    path.write_text(f"{HEAD}leaderElection: {{leaderElect: false, leaseDuration: 1m, resourceName: mine}}")
    config, found = load_configuration(["--config", str(path), "--leader-elect-resource-name=other"], {})
    assert (config.leader_elect, config.leader_elect_lease_duration_seconds) == (False, 60.0)
    assert config.leader_elect_resource_name == "other"
    assert [item.scheduler_name for item in found.profiles] == ["default-scheduler"]
    assert load_configuration([], {"VAINA_CONFIG": str(path)})[0].leader_elect_resource_name == "mine"


def test_without_such_a_file_the_default_profile_has_the_name_of_the_flag(tmp_path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("scheduler_name: mine\n")
    config, found = load_configuration([f"--config={path}"], {})
    assert (config.scheduler_name, [item.scheduler_name for item in found.profiles]) == ("mine", ["mine"])


@pytest.mark.parametrize(
    ("text", "argv", "want"),
    [
        (f"{HEAD}parallelism: 0\n", [], "scheduler.yaml: parallelism: Invalid value: 0"),
        (HEAD, ["--scheduler-name=x"], "scheduler_name: the profiles of"),
        (HEAD, ["--no-such-flag=x"], "unknown flag"),
        (None, [], "No such file"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, text: str | None, argv: list[str], want: str) -> None:
    path = tmp_path / "scheduler.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=want):
        load_configuration(["--config", str(path), *argv], {})
