"""Changes of Pods: what may change, and what is said of the rest."""

from apiserver.validation import validate_update
from tests.unit.apiserver.validation.cases import Case, case, each, pod, violations
from vaina.api.core.v1 import pod_pb2
from vaina.errors import FieldError
from vaina.kinds import POD

MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\nchanged: "
)
NODE_TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def affinity(*terms: str) -> str:
    listed = ", ".join(terms)
    return (
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
        f"[{listed}]}}}}}}"
    )


A = "{matchExpressions: [{key: a, operator: Exists}]}"
AB = "{matchExpressions: [{key: a, operator: Exists}, {key: b, operator: Exists}]}"
B = "{matchExpressions: [{key: b, operator: Exists}]}"
GATED = "schedulingGates: [{name: wait}]\n"
TWO = "containers: [{name: a, image: a}, {name: b, image: b}]"
INIT = "initContainers: [{name: i, image: a}]"

#: given: the spec before; spec: the spec after
UPDATES = (
    case("a Pod that stays as it is is in order", TWO, spec=TWO),
    case("images may change", f"{TWO}\n{INIT}",
         spec="containers: [{name: a, image: x}, {name: b, image: why}]\ninitContainers: [{name: i, image: z}]"),
    case("containers are neither added nor removed", TWO,
         "spec.containers: Forbidden: pod updates may not add or remove containers", spec="hostname: other"),
    case("init containers are neither added nor removed", INIT,
         "spec.initContainers: Forbidden: pod updates may not add or remove containers"),
    case("an image is said to be wrong once, though it is looked at twice", "",
         "spec.containers[0].image: Required value", spec="containers: [{name: main, imagePullPolicy: Always}]"),
    case("an image keeps no space around it", "",
         'spec.containers[0].image: Invalid value: "a ": must not have leading or trailing whitespace',
         spec="containers: [{name: main, image: 'a ', imagePullPolicy: Always}]"),
    case("a deadline may be set", "", spec="activeDeadlineSeconds: 5"),
    case("a deadline may come nearer", "activeDeadlineSeconds: 5", spec="activeDeadlineSeconds: 4"),
    case("a deadline does not go away", "activeDeadlineSeconds: 5",
         'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value'),
    case("a deadline does not go further off", "activeDeadlineSeconds: 5",
         "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value",
         spec="activeDeadlineSeconds: 6"),
    case("a deadline is a 32-bit number", "activeDeadlineSeconds: 5",
         "spec.activeDeadlineSeconds: Invalid value: 2147483648: must be between 1 and 2147483647, inclusive",
         "spec.activeDeadlineSeconds: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
         spec="activeDeadlineSeconds: 2147483648"),
    case("tolerations may be added, and their seconds may change",
         "tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 1}]",
         spec="tolerations: [{key: b, operator: Exists}, {key: a, operator: Exists, effect: NoExecute, "
         "tolerationSeconds: 2}]"),
    case("tolerations do not go", "tolerations: [{key: a, operator: Exists}]",
         "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
         spec="tolerations: [{key: a, operator: Exists, effect: NoSchedule}]"),
    case("gates may go", f"{GATED}", spec="schedulingGates: []"),
    case("gates do not come", "schedulingGates: [{name: a}]",
         "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'",
         spec="schedulingGates: [{name: a}, {name: b}]"),
    case("a negative grace may become 1", "terminationGracePeriodSeconds: -5",
         spec="terminationGracePeriodSeconds: 1"),
    case("a grace may not change otherwise", "terminationGracePeriodSeconds: 5",
         f"spec: Forbidden: {MUTABLE}spec.terminationGracePeriodSeconds", spec="terminationGracePeriodSeconds: 1"),
    case("nothing else may change, and what did is named", f"{TWO}\nhostname: a\nnodeSelector: {{a: b, c: d}}",
         f"spec: Forbidden: {MUTABLE}spec.containers[1].command, spec.nodeSelector[a], spec.nodeSelector[e], "
         "spec.hostNetwork, spec.securityContext.runAsUser, spec.hostname, spec.affinity",
         spec="containers: [{name: a, image: a}, {name: b, image: b, command: [c]}]\nhostNetwork: true\n"
         "securityContext: {runAsUser: 1}\nnodeSelector: {a: x, c: d, e: f}\naffinity: {podAffinity: {}}"),
    case("a long list of changes is cut",
         "containers: [{name: main, image: a, env: ["
         + ", ".join(f"{{name: A{index}}}" for index in range(18))
         + "]}]",
         f"spec: Forbidden: {MUTABLE}"
         + ", ".join(f"spec.containers[0].env[{index}].value" for index in range(16))
         + " and 2 more",
         spec="containers: [{name: main, image: a, env: ["
         + ", ".join(f"{{name: A{index}, value: x}}" for index in range(18))
         + "]}]"),
    case("a gated Pod may become choosier about its node", f"{GATED}nodeSelector: {{a: b}}",
         spec=f"{GATED}nodeSelector: {{a: b, c: d}}\n{affinity(A)}"),
    case("a gated Pod may not become less choosy", f"{GATED}nodeSelector: {{a: b}}\n{affinity(A, B)}",
         'spec.nodeSelector: Invalid value: {"a":"x"}: only additions to spec.nodeSelector are allowed (no mutations or '
         "deletions)",
         f'{NODE_TERMS}: Invalid value: [{{"matchExpressions":[{{"key":"a","operator":"Exists","values":[]}}]}}]: no '
         "additions/deletions to non-empty NodeSelectorTerms list are allowed",
         spec=f"{GATED}nodeSelector: {{a: x}}\n{affinity(A)}"),
    case("the terms of a gated Pod's affinity may grow", f"{GATED}{affinity(A)}", spec=f"{GATED}{affinity(AB)}"),
    case("the terms of a gated Pod's affinity may not change", f"{GATED}{affinity(A)}",
         f'{NODE_TERMS}[0]: Invalid value: {{"matchExpressions":[{{"key":"b","operator":"Exists"}}]}}: only additions are '
         "allowed (no mutations or deletions)",
         spec=f"{GATED}{affinity(B)}"),
    case("a gated Pod may not change the rest", f"{GATED}hostname: a",
         f"spec: Forbidden: {MUTABLE}spec.hostname", spec=f"{GATED}hostname: b\n{affinity(A)}"),
)  # fmt: skip


def changed(old: pod_pb2.Pod, new: pod_pb2.Pod) -> list[FieldError]:
    return validate_update(POD, new, old)


@each(UPDATES)
def test_a_changed_pod(case: Case) -> None:
    assert changed(pod(case.given), pod(case.spec)) == violations(*case.want)


def test_annotations_that_nobody_may_change() -> None:
    mirror, armor = "kubernetes.io/config.mirror", "container.apparmor.security.beta.kubernetes.io/main"
    plain = pod("nodeName: n1")
    marked = pod("nodeName: n1", f"annotations: {{{mirror}: x, {armor}: unconfined, free: a}}")
    other = pod("nodeName: n1", f"annotations: {{{mirror}: z, {armor}: runtime/default, free: b}}")
    at = "metadata.annotations"
    assert changed(plain, marked) == violations(
        f"{at}[{armor}]: Forbidden: may not add AppArmor annotations",
        f"{at}[{mirror}]: Forbidden: may not add mirror pod annotation",
    )
    assert changed(marked, other) == violations(
        f"{at}[{armor}]: Forbidden: may not remove or update AppArmor annotations",
        f"{at}[{mirror}]: Forbidden: may not remove or update mirror pod annotation",
    )


def test_a_check_changes_neither_object() -> None:
    old, new = pod(f"{GATED}{affinity(A)}"), pod(f"{GATED}{affinity(AB)}\nhostname: b")
    before = old.SerializeToString(deterministic=True), new.SerializeToString(deterministic=True)
    changed(old, new)
    assert (old.SerializeToString(deterministic=True), new.SerializeToString(deterministic=True)) == before


def test_a_mirror_pod_is_not_changed_over_the_api_but_may_be_labelled() -> None:
    mirror = "annotations: {kubernetes.io/config.mirror: hash}"
    old, labelled = pod("nodeName: n1", mirror), pod("nodeName: n1", f"{mirror}, labels: {{a: b}}")
    other = pod("nodeName: n1\ncontainers: [{name: main, image: other}]", mirror)
    other.spec.containers[0].image_pull_policy = old.spec.containers[0].image_pull_policy

    error = "a mirror pod shows a static pod, which is changed by its manifest on the node"
    assert changed(old, other) == violations(f"spec: Forbidden: {error}\nchanged: spec.containers[0].image")
    assert changed(old, labelled) == []
