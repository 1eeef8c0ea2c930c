"""What one quota says to demands, in upstream's words; whatever the demands, no more is given than there is."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.admission.quota_check import Demand, evaluate, give_back
from tests.unit.apiserver.validation.cases import Case, case, each, pod, read
from vaina.api.core.v1 import resource_quota_pb2
from vaina.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, POD, REPLICA_SET, Kind
from vaina.objects import amounts
from vaina.objects.quota import usage_of
from vaina.testing.builders import make_config_map, make_replica_set
from vaina.testing.clock import EPOCH

Quota = resource_quota_pb2.ResourceQuota


def make(hard: str, used: str = "", spec: str = "") -> Quota:
    text = (
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: default}\n"
        f"spec: {{hard: {{{hard}}}{', ' + spec if spec else ''}}}\nstatus: {{hard: {{{hard}}}, used: {{{used}}}}}\n"
    )
    made: Quota = read(text)
    return made


def demand(kind: Kind[Any], obj: Any, *, dry_run: bool = False) -> Demand:
    return Demand(kind, obj, usage_of(kind, obj, EPOCH), dry_run)


def judged(quota: Quota, *pods: Any) -> tuple[Sequence[str], str | None]:
    """Return what is said to each Pod, and what is used then."""
    outcome = evaluate(quota, [demand(POD, made) for made in pods])
    return [verdict.refusal for verdict in outcome.verdicts], None if outcome.used is None else amounts.show(
        outcome.used
    )


SAYS = "containers: [{name: main, image: a, resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 1, memory: 1Gi}}}]"
SILENT = "containers: [{name: main, image: a}, {name: b, image: a, resources: {requests: {cpu: 1}}}]"

#: given: `hard | used | spec of the quota`; spec: the Pod; want: the refusal, or what is used then ("" when
#: nothing was given)
CASES = (
    case("a Pod is counted by both names", "pods: 2, count/pods: 2 | pods: 1, count/pods: 0", "count/pods=1,pods=2",
         spec=SAYS),
    case("requests and limits are counted", "cpu: 1, requests.memory: 1Gi, limits.cpu: 4 | cpu: 0, requests.memory: 1Mi, limits.cpu: 0",
         "cpu=100m,limits.cpu=1,requests.memory=65Mi", spec=SAYS),
    case("too many Pods", "pods: 1 | pods: 1", "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
         spec=SAYS),
    case("all that is exceeded is told, and nothing else",
         "pods: 10, requests.cpu: 150m, requests.memory: 100Mi | pods: 1, requests.cpu: 100m, requests.memory: 64Mi",
         "exceeded quota: q, requested: requests.cpu=100m,requests.memory=64Mi, used: requests.cpu=100m,requests.memory=64Mi, "
         "limited: requests.cpu=150m,requests.memory=100Mi", spec=SAYS),
    case("a quota on CPU wants every container to say", "cpu: 4, limits.memory: 1Gi | cpu: 0, limits.memory: 0",
         "failed quota: q: must specify cpu for: main; limits.memory for: b,main", spec=SILENT),
    case("a quota on storage does not", "requests.ephemeral-storage: 1Gi | requests.ephemeral-storage: 0", "", spec=SILENT),
    case("what is not counted yet cannot be given away", "pods: 5, cpu: 1 | pods: 0",
         "status unknown for quota: q, resources: cpu,pods", spec=SAYS),
    case("a quota on other things says nothing", "configmaps: 0 | configmaps: 0", "", spec=SAYS),
    case("best effort is none of its business", "pods: 0 | pods: 0 | scopes: [BestEffort]", "", spec=SAYS),
    case("not best effort is", "pods: 0 | pods: 0 | scopes: [NotBestEffort]",
         "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", spec=SAYS),
    case("a Pod with a deadline is terminating", "pods: 0 | pods: 0 | scopes: [Terminating]",
         "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", spec=SAYS + "\nactiveDeadlineSeconds: 5"),
    case("one without is not", "pods: 0 | pods: 0 | scopes: [Terminating]", "", spec=SAYS),
    case("all scopes must match", "pods: 0 | pods: 0 | scopes: [NotTerminating, BestEffort]", "", spec=SAYS),
    case("a class in the list",
         "pods: 0 | pods: 0 | scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [a, b]}]}",
         "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", spec=SAYS + "\npriorityClassName: b"),
    case("no class in the list",
         "pods: 0 | pods: 0 | scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [a, b]}]}",
         "", spec=SAYS),
    case("no class is not in the list",
         "pods: 0 | pods: 0 | scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: NotIn, values: [a]}]}",
         "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", spec=SAYS),
    case("any class", "pods: 0 | pods: 0 | scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: Exists}]}",
         "", spec=SAYS),
    case("extended resources by their requests", "requests.example.com/gpu: 4 | requests.example.com/gpu: 3",
         "exceeded quota: q, requested: requests.example.com/gpu=2, used: requests.example.com/gpu=3, "
         "limited: requests.example.com/gpu=4",
         spec="containers: [{name: main, image: a, resources: {limits: {example.com/gpu: 2}}}]"),
)  # fmt: skip


@each(CASES)
def test_what_is_said_to_a_pod(case: Case) -> None:
    hard, used, spec = [*(part.strip() for part in case.given.split("|")), ""][:3]
    refusals, after = judged(make(hard, used, spec), pod(case.spec))
    (want,) = case.want
    assert (refusals[0] or after or "") == want


def test_what_one_takes_the_next_has_no_more() -> None:
    refusals, used = judged(make("pods: 3", "pods: 1"), *(pod(SAYS) for _ in range(4)))
    refused = "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"
    assert refusals == ["", "", refused, refused]
    assert used == "pods=3"


def test_a_small_one_fits_after_a_large_one_was_refused() -> None:
    large = pod("containers: [{name: main, image: a, resources: {requests: {cpu: 5}}}]")
    refusals, used = judged(make("requests.cpu: 1", "requests.cpu: 0"), large, pod(SAYS))
    assert [bool(refusal) for refusal in refusals] == [True, False]
    assert used == "requests.cpu=100m"


def test_a_dry_run_is_judged_and_takes_nothing() -> None:
    quota = make("pods: 1", "pods: 0")
    fits = evaluate(quota, [demand(POD, pod(SAYS), dry_run=True), demand(POD, pod(SAYS))])
    assert [verdict.refusal for verdict in fits.verdicts] == ["", ""]
    full = evaluate(make("pods: 1", "pods: 1"), [demand(POD, pod(SAYS), dry_run=True)])
    assert full.verdicts[0].refusal.startswith("exceeded quota")
    assert full.used is None


def claim(storage: str = "1Gi", *, of: str = "", given: str = "") -> Any:
    text = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, namespace: default}\n"
    text += f"spec: {{resources: {{requests: {{storage: {storage}}}}}{', storageClassName: ' + of if of else ''}}}\n"
    return read(text + (f"status: {{allocatedResources: {{storage: {given}}}}}\n" if given else ""))


GOLD = "gold.storageclass.storage.k8s.io"


@pytest.mark.parametrize(
    ("hard", "used", "asked", "said"),
    [
        ("persistentvolumeclaims: 1", "persistentvolumeclaims: 0", claim(), "persistentvolumeclaims=1"),
        ("requests.storage: 5Gi", "requests.storage: 1Gi", claim("1500M"), "requests.storage=2573741824"),
        ("requests.storage: 5Gi", "requests.storage: 1Gi", claim("1Gi", given="3Gi"), "requests.storage=4Gi"),
        ("requests.storage: 5", "requests.storage: 1", claim("1500m"), "requests.storage=3"),
        ("requests.storage: 5Gi", "requests.storage: 4Gi", claim("2Gi"),
         "exceeded quota: q, requested: requests.storage=2Gi, used: requests.storage=4Gi, limited: requests.storage=5Gi"),
        (f"{GOLD}/requests.storage: 5Gi", f"{GOLD}/requests.storage: 0", claim(of="gold"), f"{GOLD}/requests.storage=1Gi"),
        (f"{GOLD}/persistentvolumeclaims: 0", f"{GOLD}/persistentvolumeclaims: 0", claim(of="gold"),
         f"exceeded quota: q, requested: {GOLD}/persistentvolumeclaims=1, used: {GOLD}/persistentvolumeclaims=0, "
         f"limited: {GOLD}/persistentvolumeclaims=0"),
        (f"{GOLD}/persistentvolumeclaims: 0", f"{GOLD}/persistentvolumeclaims: 0", claim(of="silver"), ""),
        ("requests.cpu: 1", "requests.cpu: 0", claim(), ""),
    ],
)  # fmt: skip
def test_what_is_said_to_a_claim(hard: str, used: str, asked: Any, said: str) -> None:
    outcome = evaluate(make(hard, used), [demand(PERSISTENT_VOLUME_CLAIM, asked)])
    shown = "" if outcome.used is None else amounts.show(outcome.used)
    assert (outcome.verdicts[0].refusal or shown) == said


CLASS = "volumeAttributesClassName: "


@pytest.mark.parametrize(
    ("requirement", "spec", "status", "counted"),
    [
        ("operator: Exists", CLASS + "gold", "", True),
        ("operator: Exists", "", "", False),
        ("operator: Exists", "", "currentVolumeAttributesClassName: gold", True),
        ("operator: DoesNotExist", "", "", True),
        ("operator: DoesNotExist", CLASS + "gold", "", False),
        ("operator: In, values: [gold, silver]", CLASS + "gold", "", True),
        ("operator: In, values: [gold]", CLASS + "silver", "currentVolumeAttributesClassName: gold", True),
        ("operator: In, values: [gold]", "", "modifyVolumeStatus: {targetVolumeAttributesClassName: gold}", True),
        ("operator: In, values: [gold]", CLASS + "silver", "", False),
        ("operator: In, values: [gold]", "", "", False),
        ("operator: NotIn, values: [gold]", CLASS + "silver", "", True),
        ("operator: NotIn, values: [gold]", "", "", True),
        ("operator: NotIn, values: [gold]", CLASS + "gold", "", False),
    ],
)  # fmt: skip
def test_claims_are_in_the_scope_of_their_attributes_class(
    requirement: str, spec: str, status: str, counted: bool
) -> None:
    scope = f"scopeSelector: {{matchExpressions: [{{scopeName: VolumeAttributesClass, {requirement}}}]}}"
    quota = make("persistentvolumeclaims: 0", "persistentvolumeclaims: 0", scope)
    asked = read(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, namespace: default}\n"
        f"spec: {{{spec}}}\nstatus: {{{status}}}\n"
    )
    outcome = evaluate(quota, [demand(PERSISTENT_VOLUME_CLAIM, asked), demand(POD, pod(SAYS))])
    assert [bool(verdict.refusal) for verdict in outcome.verdicts] == [counted, False]


@pytest.mark.parametrize(
    ("kind", "obj", "hard"),
    [
        (CONFIG_MAP, make_config_map("a"), "count/configmaps: 1, configmaps: 1"),
        (REPLICA_SET, make_replica_set("a", replicas=1), "count/replicasets.apps: 1"),
    ],
)
def test_other_kinds_are_counted(kind: Kind[Any], obj: Any, hard: str) -> None:
    outcome = evaluate(make(hard, hard.replace("1", "0")), [demand(kind, obj), demand(kind, obj)])
    assert [bool(verdict.refusal) for verdict in outcome.verdicts] == [False, True]
    assert outcome.used is not None
    assert {str(amount) for amount in outcome.used.values()} == {"1"}


def test_what_ends_or_should_have_ended_is_an_object_and_nothing_more() -> None:
    ended = pod(SAYS)
    ended.status.phase = "Succeeded"
    stuck = pod(SAYS)
    stuck.metadata.deletion_timestamp.seconds = int(EPOCH) - 31
    stuck.metadata.deletion_grace_period_seconds = 30
    ending = pod(SAYS)
    ending.metadata.deletion_timestamp.seconds = int(EPOCH) - 29
    ending.metadata.deletion_grace_period_seconds = 30
    assert usage_of(POD, ended, EPOCH).keys() == usage_of(POD, stuck, EPOCH).keys() == {"count/pods"}
    assert "pods" in usage_of(POD, ending, EPOCH)


@given(st.lists(st.integers(0, 2000), max_size=12), st.integers(0, 4000), st.integers(0, 4000))
def test_never_more_is_given_than_there_is_and_all_comes_back(
    requests: list[int], used: int, hard: int
) -> None:
    quota = make(f"requests.cpu: {hard}m", f"requests.cpu: {used}m")
    pods = [
        pod(f"containers: [{{name: a, image: a, resources: {{requests: {{cpu: {n}m}}}}}}]") for n in requests
    ]
    outcome = evaluate(quota, [demand(POD, made) for made in pods])
    given = sum(n for n, verdict in zip(requests, outcome.verdicts, strict=True) if verdict.given)
    assert used + given <= max(hard, used)
    refused = [n for n, verdict in zip(requests, outcome.verdicts, strict=True) if verdict.refusal]
    assert all(used + given + n > hard for n in refused)
    if outcome.used is not None:
        amounts.write(outcome.used, quota.status.used)
        for verdict in outcome.verdicts:
            if verdict.given:
                amounts.write(give_back(quota, verdict.given), quota.status.used)
    assert amounts.read(quota.status.used)["requests.cpu"].milli_value() == used
