"""Annotations of Pods that mean something to Kubernetes."""

from tests.unit.apiserver.validation.cases import Case, case, each, pod, problems, violations

ANNOTATIONS = (
    case("a mirror Pod has a node", "kubernetes.io/config.mirror: abc",
         'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "abc": must set spec.nodeName if mirror pod '
         "annotation is set"),
    case("a mirror Pod on a node is in order", "kubernetes.io/config.mirror: abc", spec="nodeName: n1"),
    case("a deletion cost is a 32-bit number", "controller.kubernetes.io/pod-deletion-cost: '2147483648'",
         'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "2147483648": must be a 32bit '
         "integer"),
    case("a deletion cost has no leading zero", "controller.kubernetes.io/pod-deletion-cost: '01'",
         'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "01": must be a 32bit integer'),
    case("a deletion cost may be negative", "controller.kubernetes.io/pod-deletion-cost: '-5'"),
    case("old seccomp annotations are profiles",
         "seccomp.security.alpha.kubernetes.io/pod: x, container.seccomp.security.alpha.kubernetes.io/main: localhost/../x",
         "metadata.annotations.container.seccomp.security.alpha.kubernetes.io/main: Invalid value: \"../x\": must not "
         "contain '..'",
         'metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "x": must be a valid seccomp '
         "profile"),
    case("old AppArmor annotations name a container and a profile",
         "container.apparmor.security.beta.kubernetes.io/other: x",
         'metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "other": container '
         "not found",
         'metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "x": invalid AppArmor '
         'profile name: "x"'),
    case("seccomp says the same in annotation and field",
         "seccomp.security.alpha.kubernetes.io/pod: unconfined, "
         "container.seccomp.security.alpha.kubernetes.io/main: localhost/b",
         "spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match",
         "spec.containers[0].securityContext.seccompProfile.localhostProfile: Forbidden: seccomp profile in annotation and "
         "field must match",
         spec="containers: [{name: main, image: a, securityContext: {seccompProfile: {type: Localhost, "
         "localhostProfile: a}}}]\nsecurityContext: {seccompProfile: {type: RuntimeDefault}}"),
    case("docker/default is the runtime's own profile", "seccomp.security.alpha.kubernetes.io/pod: docker/default",
         spec="securityContext: {seccompProfile: {type: RuntimeDefault}}"),
    case("AppArmor says the same in annotation and field, the container's or the Pod's",
         "container.apparmor.security.beta.kubernetes.io/main: localhost/a, "
         "container.apparmor.security.beta.kubernetes.io/b: unconfined, "
         "container.apparmor.security.beta.kubernetes.io/c: runtime/default",
         "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must "
         "match",
         "spec.containers[1].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must "
         "match",
         spec="containers: [{name: main, image: a}, {name: b, image: a, securityContext: {appArmorProfile: {type: "
         "Localhost, localhostProfile: x}}}, {name: c, image: a}]\n"
         "securityContext: {appArmorProfile: {type: RuntimeDefault}}"),
    case("Windows has no AppArmor to agree with", "container.apparmor.security.beta.kubernetes.io/main: localhost/a",
         "spec.securityContext.appArmorProfile: Forbidden: cannot be set for a windows pod",
         spec="os: {name: windows}\nsecurityContext: {appArmorProfile: {type: RuntimeDefault}}"),
)  # fmt: skip


@each(ANNOTATIONS)
def test_annotations_of_a_new_pod(case: Case) -> None:
    assert problems(pod(case.spec, f"annotations: {{{case.given}}}")) == violations(*case.want)
