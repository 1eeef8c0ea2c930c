"""Files that cannot be used: each answer names the field, and what would be allowed."""

from dataclasses import dataclass

import pytest

from scheduler.configuration.load import ConfigurationError, read_configuration
from scheduler.configuration.profiles import make_profiles

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
FIT = "profiles[0].pluginConfig[0].args"
ADDED = f"{FIT}.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    want: str


def plugins(text: str) -> str:
    return f"profiles: [{{plugins: {{{text}}}}}]"


def args(name: str, text: str) -> str:
    return f"profiles: [{{pluginConfig: [{{name: {name}, args: {{{text}}}}}]}}]"


CASES = [
    Case("an unknown key at the top", "percentOfNodes: 3",
         "percentOfNodes: unknown field (known: apiVersion, clientConnection, delayCacheUntilActive, "
         "enableContentionProfiling, enableProfiling, extenders, kind, leaderElection, parallelism, "
         "percentageOfNodesToScore, podInitialBackoffSeconds, podMaxBackoffSeconds, profiles)"),
    Case("an unknown key of a profile", "profiles: [{name: a}]",
         "profiles[0].name: unknown field (known: percentageOfNodesToScore, pluginConfig, plugins, schedulerName)"),
    Case("an extension point that does not exist", plugins("filters: {}"),
         "profiles[0].plugins.filters: unknown field (known: bind, filter, multiPoint, permit, postBind, postFilter, "
         "preBind, preEnqueue, preFilter, preScore, queueSort, reserve, score)"),
    Case("an unknown key of a plugin set", plugins("score: {enable: []}"),
         "profiles[0].plugins.score.enable: unknown field (known: disabled, enabled)"),
    Case("an unknown key of a plugin", plugins("score: {enabled: [{name: ImageLocality, wieght: 2}]}"),
         "profiles[0].plugins.score.enabled[0].wieght: unknown field (known: name, weight)"),
    Case("an unknown key of leader election", "leaderElection: {leaderElected: true}",
         "leaderElection.leaderElected: unknown field (known: leaderElect, leaseDuration, renewDeadline, "
         "resourceLock, resourceName, resourceNamespace, retryPeriod)"),
    Case("a key that stands twice", "parallelism: 3\nparallelism: 4", "parallelism: duplicate field"),
    Case("a name that is a number", "profiles: [{schedulerName: 3}]",
         "profiles[0].schedulerName: Invalid value: 3: must be a string"),
    Case("a list that is a mapping", "profiles: {schedulerName: a}",
         'profiles: Invalid value: {"schedulerName":"a"}: must be a list'),
    Case("a mapping that is a list", plugins("score: [a]"),
         'profiles[0].plugins.score: Invalid value: ["a"]: must be a mapping'),
    Case("a switch that is a text", 'leaderElection: {leaderElect: "maybe"}',
         'leaderElection.leaderElect: Invalid value: "maybe": must be true or false'),
    Case("a fraction where a whole number is wanted", "parallelism: 1.5",
         'parallelism: Invalid value: "1.5": must be an integer of 32 bits'),
    Case("a number beyond 32 bits", "podMaxBackoffSeconds: 3000000000",
         "podMaxBackoffSeconds: Invalid value: 3000000000: must be an integer of 32 bits"),
    Case("a time without a unit", "leaderElection: {leaseDuration: '15'}",
         'leaderElection.leaseDuration: Invalid value: "15": must be a duration such as 15s, 1m30s or 100ms'),
    Case("a lease that is over before it is renewed", "leaderElection: {leaseDuration: 5s}",
         'leaderElection.leaseDuration: Invalid value: "5s": LeaseDuration must be greater than RenewDeadline'),
    Case("a deadline before the first retry", "leaderElection: {retryPeriod: 10s}",
         'leaderElection.renewDeadline: Invalid value: "10s": RenewDeadline must be greater than RetryPeriod'),
    Case("a retry period of nothing", "leaderElection: {retryPeriod: 0s}",
         'leaderElection.retryPeriod: Invalid value: "0s": must be greater than zero'),
    Case("another kind of lock", "leaderElection: {resourceLock: endpoints}",
         'leaderElection.resourceLock: Invalid value: "endpoints": resourceLock value must be "leases"'),
    Case("a lease without a name", "leaderElection: {resourceName: ''}",
         "leaderElection.resourceName: Required value: resourceName is required"),
    Case("no parallelism", "parallelism: 0",
         "parallelism: Invalid value: 0: should be an integer value greater than zero"),
    Case("more than all nodes", "percentageOfNodesToScore: 101",
         "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]"),
    Case("fewer than no nodes, in a profile", "profiles: [{percentageOfNodesToScore: -1}]",
         "profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]"),
    Case("a first back-off of nothing", "podInitialBackoffSeconds: 0",
         "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0"),
    Case("a longest back-off below the first", "podInitialBackoffSeconds: 20",
         "podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds"),
    Case("no profile at all", "profiles: []", "profiles: Required value"),
    Case("two profiles, one without a name", "profiles: [{schedulerName: a}, {}]",
         "profiles[1].schedulerName: Required value"),
    Case("a scheduler name twice", "profiles: [{schedulerName: a}, {schedulerName: a}]",
         'profiles[1].schedulerName: Duplicate value: "a"'),
    Case("two orders of one queue",
         "profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {enabled: [{name: PrioritySort}]}}}]",
         'profiles[1].plugins.queueSort: Invalid value: ["PrioritySort"]: must be the same for all profiles'),
    Case("extenders", "extenders: [{urlPrefix: http://x}]",
         "extenders: Forbidden: there are none here: a plugin is twenty lines (docs/plugins.md)"),
    Case("a kubeconfig", "clientConnection: {kubeconfig: /x}",
         "clientConnection.kubeconfig: Forbidden: the apiserver is named by --apiserver"),
    Case("a weight below nothing", plugins("score: {enabled: [{name: ImageLocality, weight: -1}]}"),
         "profiles[0].plugins.score.enabled[0].weight: Invalid value: -1: must be greater than or equal to 0"),
    Case("a plugin enabled twice", plugins("score: {enabled: [{name: ImageLocality}, {name: ImageLocality}]}"),
         'profiles[0].plugins.score.enabled[1]: Invalid value: "ImageLocality": plugin "ImageLocality" already '
         'registered as "ScorePlugin"'),
    Case("a plugin where it has nothing to say", plugins("filter: {enabled: [{name: ImageLocality}]}"),
         'profiles[0].plugins.filter.enabled[0]: Invalid value: "ImageLocality": plugin "ImageLocality" does not '
         "extend FilterPlugin"),
    Case("what is to be bound, and nobody who found it", plugins("filter: {disabled: [{name: VolumeBinding}]}"),
         'profiles[0].plugins.filter: Invalid value: "VolumeBinding": is disabled here and not at reserve: the two go '
         "together"),
    Case("what was found, and nobody who binds it", plugins("preBind: {disabled: [{name: VolumeBinding}]}"),
         'profiles[0].plugins.preBind: Invalid value: "VolumeBinding": is disabled here and not at filter: the two go '
         "together"),
    Case("no order of the queue", plugins("queueSort: {disabled: [{name: '*'}]}"),
         "profiles[0].plugins.queueSort: Invalid value: []: no queue sort plugin is enabled for profile with "
         'scheduler name "default-scheduler"'),
    Case("nobody who binds", plugins("bind: {disabled: [{name: DefaultBinder}]}"),
         "profiles[0].plugins.bind: Invalid value: []: at least one bind plugin is needed for profile with "
         'scheduler name "default-scheduler"'),
    Case("arguments twice", "profiles: [{pluginConfig: [{name: NodeName}, {name: NodeName}]}]",
         'profiles[0].pluginConfig[1]: Duplicate value: "NodeName"'),
    Case("arguments without a plugin", "profiles: [{pluginConfig: [{args: {}}]}]",
         "profiles[0].pluginConfig[0].name: Required value"),
    Case("arguments for one that takes none", args("NodeName", "node: a"),
         f"{FIT}: Forbidden: NodeName takes no arguments"),
    Case("arguments of another plugin", args("NodeResourcesFit", "kind: ImageLocalityArgs"),
         f'{FIT}: Invalid value: "ImageLocalityArgs": has to match plugin args'),
    Case("an argument that does not exist", args("NodeResourcesFit", "ignoreResources: []"),
         f"{FIT}.ignoreResources: unknown field (known: ignoredResourceGroups, ignoredResources, scoringStrategy)"),
    Case("a strategy that does not exist", args("NodeResourcesFit", "scoringStrategy: {type: Most}"),
         f'{FIT}.scoringStrategy.type: Unsupported value: "Most": supported values: "LeastAllocated", '
         '"MostAllocated", "RequestedToCapacityRatio"'),
    Case("a weight of nothing", args("NodeResourcesFit", "scoringStrategy: {resources: [{name: cpu, weight: 0}]}"),
         f"{FIT}.scoringStrategy.resources[0].weight: Invalid value: 0: resource weight of cpu not in valid range "
         "(0, 100]"),
    Case("a line without points", args("NodeResourcesFit", "scoringStrategy: {type: RequestedToCapacityRatio, "
         "requestedToCapacityRatio: {}}"),
         f"{FIT}.scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must be "
         "specified"),
    Case("no line", args("NodeResourcesFit", "scoringStrategy: {type: RequestedToCapacityRatio}"),
         f"{FIT}.scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is "
         "RequestedToCapacityRatio"),
    Case("a line for another strategy", args("NodeResourcesFit", "scoringStrategy: {requestedToCapacityRatio: {}}"),
         f"{FIT}.scoringStrategy.requestedToCapacityRatio: Forbidden: must be nil when type is not "
         "RequestedToCapacityRatio"),
    Case("a line that goes back", args("NodeResourcesFit", "scoringStrategy: {type: RequestedToCapacityRatio, "
         "requestedToCapacityRatio: {shape: [{utilization: 9, score: 1}, {utilization: 9, score: 2}]}}"),
         f"{FIT}.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 9: values must be "
         "sorted in increasing order"),
    Case("a point beyond full", args("NodeResourcesFit", "scoringStrategy: {type: RequestedToCapacityRatio, "
         "requestedToCapacityRatio: {shape: [{utilization: 101, score: 1}]}}"),
         f"{FIT}.scoringStrategy.requestedToCapacityRatio.shape[0].utilization: Invalid value: 101: not in valid "
         "range [0, 100]"),
    Case("a score beyond the best", args("NodeResourcesFit", "scoringStrategy: {type: RequestedToCapacityRatio, "
         "requestedToCapacityRatio: {shape: [{utilization: 10, score: 11}]}}"),
         f"{FIT}.scoringStrategy.requestedToCapacityRatio.shape[0].score: Invalid value: 11: not in valid range "
         "[0, 10]"),
    Case("a group with a slash", args("NodeResourcesFit", "ignoredResourceGroups: [a/b]"),
         f"{FIT}.ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/'"),
    Case("a resource without a name", args("NodeResourcesFit", "ignoredResources: [example.com/]"),
         f'{FIT}.ignoredResources[0]: Invalid value: "example.com/": name part must be non-empty\n'
         f'{FIT}.ignoredResources[0]: Invalid value: "example.com/": name part must consist of alphanumeric characters, '
         "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
         "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"),
    Case("balance with weights",
         args("NodeResourcesBalancedAllocation", "resources: [{name: cpu, weight: 2}, {name: cpu, weight: 1}]"),
         f"{FIT}.resources[0].weight: Invalid value: 2: must be 1\n"
         f'{FIT}.resources[1].name: Duplicate value: "cpu"'),
    Case("required affinity that cannot be understood", args("NodeAffinity", "addedAffinity: "
         "{requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: "
         "[{key: a, operator: Near}, {key: b, operator: In}, {key: c, operator: Gt, values: [few]}], "
         "matchFields: [{key: metadata.uid, operator: In, values: [x]}]}]}}"),
         f'{ADDED}.matchExpressions[0].operator: Unsupported value: "Near": supported values: "DoesNotExist", '
         '"Exists", "Gt", "In", "Lt", "NotIn"\n'
         f"{ADDED}.matchExpressions[1].values: Invalid value: []: for 'in', 'notin' operators, values set can't be "
         "empty\n"
         f"{ADDED}.matchExpressions[2].values[0]: Invalid value: \"few\": for 'Gt', 'Lt' operators, the value must be "
         "an integer\n"
         f'{ADDED}.matchFields[0].key: Unsupported value: "metadata.uid": supported values: "metadata.name"'),
    Case("a misspelt affinity", args("NodeAffinity", "addedAffinity: {required: {}}"),
         f'{FIT}.addedAffinity: unknown field "required"'),
    Case("a preferred term that cannot be understood", args("NodeAffinity", "addedAffinity: "
         "{preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: "
         "[{key: a, operator: Exists, values: [b]}]}}]}"),
         f"{FIT}.addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0]"
         '.values: Invalid value: ["b"]: values set must be empty for exists and does not exist'),
    Case("less than no time for volumes", args("VolumeBinding", "bindTimeoutSeconds: -1"),
         f"{FIT}.bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not be a negative value"),
    Case("points for volumes in the wrong order",
         args("VolumeBinding", "shape: [{utilization: 10, score: 1}, {utilization: 10, score: 2}]"),
         f"{FIT}.shape[1].utilization: Invalid value: 10: values must be sorted in increasing order"),
    Case("points for volumes beyond all", args("VolumeBinding", "shape: [{utilization: 101, score: 11}]"),
         f"{FIT}.shape[0].utilization: Invalid value: 101: not in valid range [0, 100]\n"
         f"{FIT}.shape[0].score: Invalid value: 11: not in valid range [0, 10]"),
    Case("no candidates", args("DefaultPreemption", "minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0"),
         f"{FIT}.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as "
         "minCandidateNodesAbsolute\n"
         f"{FIT}.minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the same time as "
         "minCandidateNodesPercentage"),
    Case("more than all candidates", args("DefaultPreemption",
         "minCandidateNodesPercentage: 101, minCandidateNodesAbsolute: -1"),
         f"{FIT}.minCandidateNodesPercentage: Invalid value: 101: not in valid range [0, 100]\n"
         f"{FIT}.minCandidateNodesAbsolute: Invalid value: -1: not in valid range [0, inf)"),
    Case("a weight beyond a hundred", args("InterPodAffinity", "hardPodAffinityWeight: 101"),
         f"{FIT}.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]"),
    Case("a way to spread that does not exist", args("PodTopologySpread", "defaultingType: Never"),
         f'{FIT}.defaultingType: Unsupported value: "Never": supported values: "System", "List"'),
    Case("constraints beside those of the system",
         args("PodTopologySpread", "defaultConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]"),
         f'{FIT}.defaultingType: Invalid value: "System": when .defaultConstraints are not empty'),
    Case("constraints that are none", args("PodTopologySpread", "defaultingType: List, defaultConstraints: "
         "[{maxSkew: 0, topologyKey: '', whenUnsatisfiable: Sometimes}, {maxSkew: 1, topologyKey: a, "
         "whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]"),
         f"{FIT}.defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf)\n"
         f"{FIT}.defaultConstraints[0].topologyKey: Required value: can not be empty\n"
         f'{FIT}.defaultConstraints[0].whenUnsatisfiable: Unsupported value: "Sometimes": supported values: '
         '"DoNotSchedule", "ScheduleAnyway"\n'
         f'{FIT}.defaultConstraints[2]: Duplicate value: "{{a, DoNotSchedule}}"'),
    Case("a selector in a constraint of the cluster", args("PodTopologySpread", "defaultingType: List, "
         "defaultConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]"),
         f"{FIT}.defaultConstraints[0].labelSelector: unknown field (known: maxSkew, topologyKey, whenUnsatisfiable)"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_that_breaks_a_rule_says_which_and_what_is_allowed(case: Case) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make_profiles(read_configuration(HEAD + case.text).profiles)
    assert str(raised.value) == case.want


@pytest.mark.parametrize("where", ["enabled", "disabled"])
def test_a_plugin_that_does_not_exist_is_answered_with_those_that_do(where: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make_profiles(
            read_configuration(HEAD + plugins(f"score: {{{where}: [{{name: Imagelocality}}]}}")).profiles
        )
    assert str(raised.value).startswith(
        f'profiles[0].plugins.score.{where}[0].name: Unsupported value: "Imagelocality": supported values: '
    )
    assert '"ImageLocality"' in str(raised.value)


def test_all_violations_are_said_at_once() -> None:
    text = "parallelism: 0\nprofiles: [{schedulerName: a, percentageOfNodesToScore: 200}, {schedulerName: a}]"
    with pytest.raises(ConfigurationError) as raised:
        read_configuration(HEAD + text)
    assert len(raised.value.errors) == 3


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", "one document is expected, not 0"),
        ("a: [", "yaml: line 2: did not find expected node content"),
        ("- a", "a mapping with apiVersion kubescheduler.config.k8s.io/v1 and kind KubeSchedulerConfiguration is"),
        (HEAD + "---\n" + HEAD, "one document is expected, not 2"),
        ("kind: KubeSchedulerConfiguration", "apiVersion: Required value"),
        ("apiVersion: v1\nkind: Pod",
         'apiVersion: Unsupported value: "v1": supported values: "kubescheduler.config.k8s.io/v1"\n'
         'kind: Unsupported value: "Pod": supported values: "KubeSchedulerConfiguration"'),
        (b"\xff\xfe\xff", ""),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_said_so(text: str | bytes, want: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_configuration(text)
    assert want in str(raised.value)
