"""Workloads out of YAML: those of the project can be read, and mistakes are told with their place."""

from pathlib import Path

import pytest

from bench.load.parse import WORKLOADS, WorkloadError, find_workload, parse_cases, read_workloads, select
from bench.load.workload import CreateNodes, CreatePods, StartCollectingMetrics, Workload, duration

FOLDER = Path(__file__).parent

GOOD = """
- name: Case
  workloadTemplate:
  - {opcode: createNodes, countParam: $nodes}
  - {opcode: createPods, count: 2, collectMetrics: true}
  workloads:
  - {name: 5Nodes, params: {nodes: 5}}
"""


def parse(text: str) -> str:
    """Read a file; return the error."""
    with pytest.raises(WorkloadError) as caught:
        parse_cases(text, source="w.yaml", folder=FOLDER)
    return str(caught.value)


#: nodes, first Pods, measured Pods: the table of the issue
TABLE = {
    "SchedulingBasic/5000Nodes_10000Pods": (5000, 1000, 10000),
    "SchedulingBasic/5000Nodes_50000Pods": (5000, 5000, 50000),
    "SchedulingBasicHeterogeneous/5000Nodes_10000Pods": (5000, 1000, 10000),
    "SchedulingDaemonset/15000Nodes": (15000, 0, 30000),
    "TopologySpreading/5000Nodes_5000Pods": (5000, 5000, 5000),
    "PreferredTopologySpreading/5000Nodes_5000Pods": (5000, 5000, 5000),
    "SchedulingPodAntiAffinity/5000Nodes_2000Pods": (5000, 1000, 2000),
    "SchedulingPodAffinity/5000Nodes_5000Pods": (5000, 5000, 5000),
    "SchedulingPreferredPodAffinity/5000Nodes_5000Pods": (5000, 5000, 5000),
    "SchedulingPreferredPodAntiAffinity/5000Nodes_5000Pods": (5000, 5000, 5000),
    "SchedulingNodeAffinity/5000Nodes_10000Pods": (5000, 5000, 10000),
    # Five times so many first Pods: one step for each kind of affinity.
    "MixedSchedulingBasePod/5000Nodes_5000Pods": (5000, 2000, 5000),
    "PreemptionBasic/1000Nodes": (1000, 4000, 1000),
    "PreemptionAsync/5000Nodes": (5000, 20000, 5000),
    "Unschedulable/5kNodes/100Init/10kPods": (5000, 100, 10000),
    "SchedulingWithMixedChurn/5000Nodes_10000Pods": (5000, 0, 10000),
    # Its counts are called otherwise: 10,000 that are gated, 20,000 that go.
    "SchedulingWhileGated/1Node_10000GatedPods": (0, 0, 20000),
    "SchedulingSecrets/5000Nodes_10000Pods": (5000, 1000, 10000),
    "SchedulingInTreePVs/5000Nodes_2000Pods": (5000, 1000, 2000),
    "SchedulingMigratedInTreePVs/5000Nodes_5000Pods": (5000, 5000, 5000),
    "SchedulingCSIPVs/5000Nodes_5000Pods": (5000, 5000, 5000),
    "PreemptionPVs/1000Nodes": (1000, 4000, 1000),
    "SchedulingWithChurnByPods/5000Nodes_10000Pods": (5000, 0, 10000),
    "MixedApps/30Apps": (5000, 0, 10000),
    "MixedApps/300Apps": (5000, 0, 10000),
    "MixedApps/3000Apps": (5000, 0, 10000),
    "PlainApps/300Apps": (5000, 0, 10000),
    "UnevenApps/300Apps": (5000, 0, 10000),
    "EverythingApps/300Apps": (5000, 0, 10000),
}


def test_the_workloads_of_the_table_are_there_with_their_counts() -> None:
    found = select(read_workloads(), "performance")
    counts = {
        one.name: tuple(one.variant.params.get(key, 0) for key in ("initNodes", "initPods", "measurePods"))
        for one in found
    }
    assert counts == TABLE


def test_every_case_has_a_small_variant_and_measures_something() -> None:
    workloads = read_workloads()
    small = {one.case.name for one in select(workloads, "short")}
    assert small == {one.case.name for one in workloads}
    for workload in workloads:
        steps = workload.case.workload_template
        measuring = [
            step
            for step in steps
            if isinstance(step, StartCollectingMetrics) or getattr(step, "collect_metrics", False)
        ]
        assert len(measuring) == 1


def test_labels_choose_as_the_references_filter_does() -> None:
    workloads = read_workloads()
    cost = {one.variant.name for one in select(workloads, "cost,-performance")}
    equal = {"1000Nodes_10000Pods", "15000Nodes_10000Pods", "50000Nodes_10000Pods"}
    assert cost == equal | {"300Apps_1000Nodes", "300Apps_50000Nodes", "10000Apps"}
    assert select(workloads, "") == workloads


def test_counts_come_from_the_variant_or_the_step() -> None:
    [case] = parse_cases(GOOD, source="w.yaml", folder=FOLDER)
    workload = Workload(case, case.workloads[0], str(FOLDER))
    nodes, pods = case.workload_template
    assert isinstance(nodes, CreateNodes)
    assert isinstance(pods, CreatePods)
    assert (workload.count(nodes), workload.count(pods)) == (5, 2)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("name: Case", "name: Case\n  colour: red"), "[0] Case: (all of it): Object contains unknown field `colour`"),
        (("count: 2", "count: two"), "workloadTemplate[1].count: Expected `int | null`, got `str`"),
        (("count: 2", "count: -2"), "workloadTemplate[1].count: Expected `int` >= 0"),
        (("count: 2", "count: 2000000"), "workloadTemplate[1].count: Expected `int` <= 1000000"),
        (("count: 2", "number: 2"), "workloadTemplate[1]: Object contains unknown field `number`"),
        (("createPods", "createPod"), "workloadTemplate[1].opcode: 'createPod' is none of createNodes, "),
        (("opcode: createPods, ", ""), "workloadTemplate[1].opcode: None is none of"),
        (("count: 2, ", ""), "workloadTemplate[1]: one of count and countParam is needed"),
        (("count: 2", "count: 2, countParam: $nodes"), "workloadTemplate[1]: one of count and countParam is needed"),
        (("$nodes", "nodes"), 'workloadTemplate[0].countParam: "nodes" must begin with $'),
        (("$nodes", "$pods"), "workloadTemplate[0].countParam: workloads 5Nodes has no params.pods"),
        (("nodes: 5}", "nodes: 5, more: 1}"), "workloads 5Nodes: params.more is not used"),
        (("nodes: 5}", "nodes: many}"), "workloads[0].params[...]: Expected `int`, got `str`"),
        (("collectMetrics: true", "collectMetrics: 1"), "workloadTemplate[1].collectMetrics: Expected `bool`"),
        (("count: 2", "count: 2, podTemplatePath: no.yaml"), "podTemplatePath: no.yaml: No such file or directory"),
        (("workloads:", "workloads: []\n  x:"), "Case"),
        (("- {name: 5Nodes", "- {name: 5Nodes, params: {nodes: 1}}\n  - {name: 5Nodes"), 'workloads.name: "5Nodes" is there twice'),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(change: tuple[str, str], error: str) -> None:
    text = parse(GOOD.replace(*change))
    assert text.startswith("w.yaml: [0]")
    assert error in text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "w.yaml: a list of test cases is expected"),
        ("name: Case", "w.yaml: a list of test cases is expected"),
        ("- 5", "w.yaml: [0]: (all of it): Expected `object`, got `int`"),
        ("- name: [", "w.yaml: while parsing"),
        (GOOD + GOOD, 'w.yaml: name: "Case" is there twice'),
    ],
)
def test_files_that_are_none(text: str, error: str) -> None:
    assert parse(text).startswith(error)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("{opcode: sleep}", "one of duration and durationParam is needed"),
        ("{opcode: sleep, duration: 5}", "duration: Expected `str`, got `int`"),
        ("{opcode: sleep, duration: 5 weeks}", 'unknown unit " weeks" in duration "5 weeks"'),
        ("{opcode: sleep, duration: 2h}", "duration: more than 3600s"),
        ("{opcode: deletePods, namespace: a, deletePodsPerSecond: 1, labelSelector: {a: b}}", "deletePodsPerSecond and labelSelector exclude one another"),
        ("{opcode: churn, templatePaths: []}", "templatePaths: Expected `array` of length >= 1"),
        ("{opcode: churn, templatePaths: [a], mode: often}", "mode: Invalid enum value 'often'"),
        ("{opcode: churn, templatePaths: [a], intervalMilliseconds: 0}", "intervalMilliseconds: Expected `int` >= 1"),
        ("{opcode: churn, templatePaths: [a], everyPods: 0}", "everyPods: Expected `int` >= 1"),
        ("{opcode: churn, templatePaths: [a], everyPods: 5, intervalMilliseconds: 5}", "intervalMilliseconds and everyPods exclude one another"),
        ("{opcode: churnNodes}", "missing required field `mode`"),
        ("{opcode: churnNodes, mode: reboot}", "mode: Invalid enum value 'reboot'"),
        ("{opcode: churnNodes, mode: drain, number: 0}", "number: Expected `int` >= 1"),
        ("{opcode: churnNodes, mode: drain, intervalMilliseconds: 0}", "intervalMilliseconds: Expected `int` >= 1"),
        ("{opcode: barrier, stageRequirement: Done}", "stageRequirement: Invalid enum value 'Done'"),
        ("{opcode: updateAny}", "missing required field `templatePath`"),
        ("{opcode: updateAny, templatePath: a, updatePerSecond: -1}", "updatePerSecond: Expected `int` >= 0"),
        ("{opcode: updateAny, templatePath: a, count: 1, countParam: $nodes}", "one of count and countParam is too many"),
        ("{opcode: updateAny, templatePath: a, countParam: $more}", "countParam: workloads 5Nodes has no params.more"),
        ("{opcode: createNodes, count: 1, nodeAllocatableStrategy: {nodeAllocatable: {disks: many}}}", 'nodeAllocatableStrategy.nodeAllocatable.disks: "many" is no quantity like 39 or 1Gi'),
        ("{opcode: createNodes, count: 1, nodeAllocatableStrategy: {csiNodeAllocatable: {d: {count: -1}}}}", "count: Expected `int` >= 0"),
        ("{opcode: createPods, count: 1, persistentVolumeTemplatePath: a}", "persistentVolumeTemplatePath and persistentVolumeClaimTemplatePath need one another"),
        ("{opcode: deletePods}", "missing required field `namespace`"),
        ("{opcode: startCollectingMetrics}", "workloadTemplate: stopCollectingMetrics is missing"),
        ("{opcode: stopCollectingMetrics}", "workloadTemplate[2]: metrics are not being collected"),
        ("{opcode: createNamespaces, count: 1}", "missing required field `prefix`"),
    ],
)  # fmt: skip
def test_mistakes_in_steps(step: str, error: str) -> None:
    assert error in parse(GOOD.replace("  workloads:", f"  - {step}\n  workloads:"))


def test_a_template_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("apiVersion: v1\nkind: Node\nmetadata: {name: a}\n")
    with pytest.raises(WorkloadError, match=r"\[1\]\.podTemplatePath: node\.yaml is a Node, not a Pod"):
        parse_cases(
            GOOD.replace("count: 2", "count: 2, podTemplatePath: node.yaml"), source="w.yaml", folder=tmp_path
        )


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("templatePath: templates/light-pod.yaml, namespace: a", "light-pod.yaml: metadata.name is needed: what is there is updated"),
        ("templatePath: templates/events/pod-schedulinggates.yaml", "namespace is needed: a Pod is in one"),
    ],
)  # fmt: skip
def test_what_is_updated_has_a_name_and_its_namespace(step: str, error: str) -> None:
    text = GOOD.replace("  workloads:", f"  - {{opcode: updateAny, {step}}}\n  workloads:")
    with pytest.raises(WorkloadError) as caught:
        parse_cases(text, source="w.yaml", folder=WORKLOADS)
    assert error in str(caught.value)


def test_an_unknown_workload_is_answered_with_those_there_are() -> None:
    workloads = read_workloads()
    with pytest.raises(WorkloadError, match="there are SchedulingBasic/5Nodes, "):
        find_workload("SchedulingBasic/6Nodes", workloads)
    with pytest.raises(WorkloadError, match="there are the cases SchedulingPodAntiAffinity, "):
        find_workload("Basic", workloads)


MIXED = """
- name: Case
  workloadTemplate:
  - opcode: createNodes
    count: 5
    nodeTemplates:
    - {nodeTemplatePath: templates/apps/node-small.yaml, share: 3/5}
    - {nodeTemplatePath: templates/apps/node-large.yaml, share: 2/5}
  - opcode: createPods
    count: 60
    collectMetrics: true
    apps:
      countParam: $apps
      weights: zipf
      templates:
      - {templatePath: templates/apps/plain.yaml, share: 5/6}
      - {templatePath: templates/apps/toleration.yaml, share: 1/6}
      templateParams:
        size:
        - {params: {cpu: 100m, memory: 128Mi}, share: 1/2}
        - {params: {cpu: 250m, memory: 512Mi}, share: 1/2}
        image:
        - {params: {image: web}}
  workloads:
  - {name: 6Apps, params: {apps: 6}}
"""


def test_apps_are_read() -> None:
    [case] = parse_cases(MIXED, source="w.yaml", folder=WORKLOADS)
    nodes, pods = case.workload_template
    assert isinstance(nodes, CreateNodes)
    assert [one.share for one in nodes.node_templates] == ["3/5", "2/5"]
    assert isinstance(pods, CreatePods)
    assert pods.apps is not None
    assert Workload(case, case.workloads[0], "").count(pods.apps) == 6
    assert pods.apps.template_params["image"][0].params == {"image": "web"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("share: 5/6", "share: 4/6"), "[1].apps.templates: shares add up to 5/6, not 1"),
        (("share: 5/6", "share: 5"), "[1].apps.templates[0].share: Expected `str`, got `int`"),
        (("share: 5/6", 'share: "0.8"'), '[1].apps.templates[0].share: "0.8" is no share like 1/6'),
        (("share: 3/5", "share: 4/5"), "[0].nodeTemplates: shares add up to 6/5, not 1"),
        (("share: 3/5", "share: 0/5"), '[0].nodeTemplates[0].share: "0/5" is no share like 1/6'),
        (("512Mi}, share: 1/2", "512Mi}, share: 1/3"), "[1].apps.templateParams.size: shares add up to 5/6, not 1"),
        (("count: 5", "count: 5\n    nodeTemplatePath: templates/apps/node-small.yaml"), "[0]: nodeTemplatePath and nodeTemplates exclude one another"),
        (("count: 60", "count: 60\n    podTemplatePath: templates/pod-default.yaml"), "[1]: podTemplatePath and apps exclude one another"),
        (("apps/node-small", "pod-default"), "[0].nodeTemplates[0].nodeTemplatePath: templates/pod-default.yaml is a Pod, not a Node"),
        (("apps/plain", "apps/node-small"), "[1].apps.templates[0].templatePath: templates/apps/node-small.yaml is a Node, not a ReplicaSet"),
        (("apps/plain", "apps/no"), "[1].apps.templates[0].templatePath: no.yaml: No such file or directory"),
        (("countParam: $apps", "count: 3\n      countParam: $apps"), "[1].apps: one of count and countParam is needed"),
        (("countParam: $apps", "countParam: $pods"), "[1].apps.countParam: workloads 6Apps has no params.pods"),
        (("{apps: 6}", "{apps: 0}"), "[1].apps: workloads 6Apps: 0 apps are not 1 to 10000"),
        (("{apps: 6}", "{apps: 10001}"), "[1].apps: workloads 6Apps: 10001 apps are not 1 to 10000"),
        (("      countParam: $apps\n", ""), "[1].apps: one of count and countParam is needed"),
        (("share: 5/6", "share: 5/6, persistentVolumeTemplatePath: templates/volumes/pv-csi.yaml"), "[1].apps.templates[0]: persistentVolumeTemplatePath and persistentVolumeClaimTemplatePath need one another"),
        (("share: 5/6", "share: 5/6, persistentVolumeTemplatePath: templates/light-pod.yaml, persistentVolumeClaimTemplatePath: a"), "[1].apps.templates[0].persistentVolumeTemplatePath: templates/light-pod.yaml is a Pod, not a PersistentVolume"),
        (("count: 60", "count: 60\n    persistentVolumeTemplatePath: a\n    persistentVolumeClaimTemplatePath: a"), "[1].persistentVolumeTemplatePath: a: No such file or directory"),
        (("share: 5/6", "share: 5/6, fitsNowhere: 1"), "[1].apps.templates[0].fitsNowhere: Expected `bool`, got `int`"),
        (("count: 60", "count: 60\n    steadyState: true\n    podsPerSecond: 5\n    duration: 5s\n    gatesLiftedPerSecond: 5"), "[1]: gatesLiftedPerSecond and steadyState exclude one another"),
        (("count: 60", "count: 60\n    gatesLiftedPerSecond: 5"), "[1]: gatesLiftedPerSecond: no template has spec.schedulingGates"),
        (("weights: zipf", "weights: steep"), "[1].apps.weights: Invalid enum value 'steep'"),
        (("weights: zipf", "weight: zipf"), "[1].apps: Object contains unknown field `weight`"),
        (("250m, memory: 512Mi", "250m"), "[1].apps.templateParams.size[1]: params are cpu, those of [0] are cpu, memory"),
        (("params: {image: web}", "params: {image: web, cpu: 2}"), "Expected `str`, got `int`"),
        (("params: {image: web}", 'params: {image: web, cpu: "2"}'), "[1].apps.templateParams.image: cpu is given already"),
        (("params: {image: web}", "params: {image: web, run: r}"), "[1].apps.templateParams.image: run is given already"),
        (("params: {image: web}", "params: {image: web, colour: red}"), "[1].apps.templateParams.image: colour is not used"),
        (("params: {image: web}", "params: {picture: web}"), "[1].apps.templates[0].templatePath: plain.yaml: ${image}: a hole is ${run}, ${app}, ${cpu}, ${memory}, ${picture}, ${index}, ${index:06}, ${index/10} or ${index%10}"),
        (("params: {image: web}", "params: {}"), "templateParams[...][0].params: Expected `object` of length >= 1"),
    ],
)  # fmt: skip
def test_mistakes_in_apps(change: tuple[str, str], error: str) -> None:
    assert change[0] in MIXED
    with pytest.raises(WorkloadError) as caught:
        parse_cases(MIXED.replace(*change, 1), source="w.yaml", folder=WORKLOADS)
    assert str(caught.value).startswith("w.yaml: ")
    assert error in str(caught.value)


def test_apps_that_fit_nowhere_are_not_for_a_steady_state() -> None:
    text = MIXED.replace("share: 5/6", "share: 5/6, fitsNowhere: true")
    text = text.replace(
        "count: 60", "count: 60\n    steadyState: true\n    podsPerSecond: 5\n    duration: 5s"
    )
    with pytest.raises(WorkloadError, match=r"\[1\]: steadyState and fitsNowhere exclude one another"):
        parse_cases(text, source="w.yaml", folder=WORKLOADS)


def test_an_app_whose_name_is_not_its_own_is_refused(tmp_path: Path) -> None:
    text = (WORKLOADS / "templates/apps/plain.yaml").read_text()
    (tmp_path / "one.yaml").write_text(text.replace("name: ${app}", "name: web"))
    with pytest.raises(WorkloadError, match=r"one\.yaml: metadata\.name must have \$\{app\} in it"):
        parse_cases(
            MIXED.replace("templates/apps/plain.yaml", str(tmp_path / "one.yaml")),
            source="w.yaml",
            folder=WORKLOADS,
        )


@pytest.mark.parametrize(("text", "seconds"), [("300ms", 0.3), ("5s", 5), ("1.5m", 90), ("1h", 3600)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)
