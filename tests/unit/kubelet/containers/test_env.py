"""A container's environment, also from a file."""

from dataclasses import dataclass

import pytest

from kubelet.containers.env import (
    ConfigProblem,
    EnvFileError,
    PodFacts,
    References,
    Sources,
    expand,
    find_variable,
    make_env,
    references,
)
from vaina.api.core.v1 import config_pb2, pod_pb2
from vaina.testing.builders import make_config_map, make_container, make_pod

FACTS = PodFacts("10.244.1.2", "192.0.2.1", "node-1", {"cpu": 4000, "memory": 8 * 1024**3})
SOURCES = Sources(
    {"paint": make_config_map("paint", data={"colour": "red", "gloss": "no"})},
    {"keys": config_pb2.Secret(data={"user": b"me"})},
    {("shared", "app.env"): "A='x'\nB=''\n", ("shared", "bad.env"): "A=x\n"},
)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$()", "$()"),
    ],
)
def test_expand(text: str, want: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == want


@dataclass(frozen=True)
class Ref:
    """One variable from somewhere else."""

    config_map: tuple[str, str] | None = None
    secret: tuple[str, str] | None = None
    field: str = ""
    resource: tuple[str, str] | None = None
    #: path and key, in the volume "shared"
    file: tuple[str, str] | None = None
    optional: bool = False


def variable(ref: Ref) -> pod_pb2.EnvVar:
    made = pod_pb2.EnvVar(name="V")
    source = made.value_from
    if ref.config_map is not None:
        name, source.config_map_key_ref.key = ref.config_map
        source.config_map_key_ref.local_object_reference.name = name
        source.config_map_key_ref.optional = ref.optional
    elif ref.secret is not None:
        name, source.secret_key_ref.key = ref.secret
        source.secret_key_ref.local_object_reference.name = name
        source.secret_key_ref.optional = ref.optional
    elif ref.file is not None:
        source.file_key_ref.path, source.file_key_ref.key = ref.file
        source.file_key_ref.volume_name, source.file_key_ref.optional = "shared", ref.optional
    elif ref.resource is not None:
        source.resource_field_ref.resource, source.resource_field_ref.divisor.string = ref.resource
    else:
        source.field_ref.field_path = ref.field
    return made


def env_of(*variables: pod_pb2.EnvVar) -> tuple[tuple[str, str], ...]:
    container = make_container(requests={"cpu": "250m"}, limits={"memory": "64Mi"})
    container.env.extend(variables)
    pod = make_pod(labels={"app": "web"}, annotations={"a": "b\r\x01"}, node="node-1", containers=[container])
    return make_env(pod, pod.spec.containers[0], SOURCES, FACTS)


@pytest.mark.parametrize(
    ("ref", "want"),
    [
        (Ref(config_map=("paint", "colour")), "red"),
        (Ref(secret=("keys", "user")), "me"),
        (Ref(field="metadata.name"), "web"),
        (Ref(field="metadata.namespace"), "default"),
        (Ref(field="metadata.uid"), "uid-default-web"),
        (Ref(field="metadata.labels['app']"), "web"),
        (Ref(field="metadata.annotations['none']"), ""),
        (Ref(field="metadata.annotations"), 'a="b\\r\\x01"'),
        (Ref(field="spec.nodeName"), "node-1"),
        (Ref(field="status.podIP"), "10.244.1.2"),
        (Ref(field="status.hostIP"), "192.0.2.1"),
        (Ref(resource=("requests.cpu", "1m")), "250"),
        (Ref(resource=("requests.cpu", "")), "1"),
        (Ref(resource=("limits.memory", "1Mi")), "64"),
        (Ref(resource=("requests.memory", "1Mi")), "64"),
        (Ref(resource=("limits.cpu", "1m")), "4000"),
        (Ref(file=("app.env", "A")), "x"),
    ],
)
def test_a_reference_is_resolved(ref: Ref, want: str) -> None:
    assert env_of(variable(ref)) == (("V", want),)


@pytest.mark.parametrize(
    ("own", "of_the_pod", "resource", "want"),
    [
        ({}, {"memory": "128Mi"}, "limits.memory", "134217728"),
        ({"memory": "64Mi"}, {"memory": "128Mi"}, "limits.memory", "67108864"),
        ({"memory": "0"}, {"memory": "128Mi"}, "limits.memory", "134217728"),
        ({"memory": "0"}, {}, "limits.memory", str(8 * 1024**3)),
        ({}, {"memory": "0"}, "limits.memory", str(8 * 1024**3)),
        ({}, {"cpu": "1500m"}, "limits.cpu", "2"),
        # What the whole Pod requests is none of its containers' own.
        ({}, {"memory": "128Mi"}, "requests.memory", "0"),
    ],
)
def test_a_limit_that_a_container_has_not_is_that_of_its_pod(
    own: dict[str, str], of_the_pod: dict[str, str], resource: str, want: str
) -> None:
    container = make_container(limits=own)
    container.env.append(variable(Ref(resource=(resource, ""))))
    pod = make_pod(containers=[container])
    for name, amount in of_the_pod.items():
        pod.spec.resources.limits[name].string = amount
        pod.spec.resources.requests[name].string = amount

    assert make_env(pod, pod.spec.containers[0], SOURCES, FACTS) == (("V", want),)


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        (Ref(config_map=("none", "colour")), 'configmap "none" not found'),
        (Ref(config_map=("paint", "none")), "couldn't find key none in ConfigMap default/paint"),
        (Ref(secret=("none", "user")), 'secret "none" not found'),
        (Ref(secret=("keys", "none")), "couldn't find key none in Secret default/keys"),
        (Ref(field="status.foo"), "unsupported fieldPath: status.foo"),
        (Ref(file=("none.env", "A")), "couldn't parse env file"),
        (
            Ref(file=("app.env", "C")),
            'environment variable key "C" not found in file "app.env" of volume "shared"',
        ),
        (
            Ref(file=("app.env", "B")),
            'environment variable key "B" not found in file "app.env" of volume "shared"',
        ),
        (
            Ref(file=("bad.env", "A"), optional=True),
            "couldn't parse env file: invalid environment variable format at line 1: value must be enclosed in single quotes",
        ),
    ],
)
def test_what_is_missing_is_told(ref: Ref, message: str) -> None:
    with pytest.raises(ConfigProblem) as refused:
        env_of(variable(ref))

    assert str(refused.value) == message


@pytest.mark.parametrize(
    "ref",
    [
        Ref(config_map=("none", "x"), optional=True), Ref(secret=("keys", "x"), optional=True),
        Ref(file=("none.env", "A"), optional=True), Ref(file=("app.env", "C"), optional=True),
    ],
)  # fmt: skip
def test_what_may_be_missing_is_left_out(ref: Ref) -> None:
    assert env_of(variable(ref)) == ()


def test_variables_may_use_those_before_them() -> None:
    assert env_of(
        pod_pb2.EnvVar(name="B", value="$(A)"), pod_pb2.EnvVar(name="A", value="1"),
        pod_pb2.EnvVar(name="C", value="$(A)$(B)"),
    ) == (("B", "$(A)"), ("A", "1"), ("C", "1$(A)"))  # fmt: skip


def test_env_goes_before_env_from_and_the_last_of_a_name_wins() -> None:
    container = make_container()
    container.env_from.add(prefix="P_").config_map_ref.local_object_reference.name = "paint"
    container.env_from.add().secret_ref.local_object_reference.name = "keys"
    container.env.add(name="P_colour", value="blue")

    assert make_env(make_pod(), container, SOURCES, FACTS) == (
        ("P_colour", "blue"), ("P_gloss", "no"), ("user", "me"),
    )  # fmt: skip
    assert references(container) == References(frozenset({"paint"}), frozenset({"keys"}))


def test_a_whole_config_map_may_be_missing_too() -> None:
    container = make_container()
    source = container.env_from.add().config_map_ref
    source.local_object_reference.name = "none"
    with pytest.raises(ConfigProblem, match='configmap "none" not found'):
        make_env(make_pod(), container, SOURCES, FACTS)

    source.optional = True

    assert make_env(make_pod(), container, SOURCES, FACTS) == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("V='one'", "one"),
        ("V='one'\n", "one"),
        ("V='one'\r\nW='two'\r\n", "one"),
        ("W='two'\nV='one'", "one"),
        ("V='one'\nV='two'", "one"),
        ("V=''", ""),
        ("# V='no'\n\n  \t\n  V='one' # said\n", "one"),
        ("V='a $(B) \\n \"c\" #d'", 'a $(B) \\n "c" #d'),
        ("V='one\ntwo\n\nthree'\nW='x'", "one\ntwo\n\nthree"),
        ("W='one\nV=two'\nV='three'", "three"),
        ("V= 'one'", ""),
        ("W= 'one'\nV='two'", "two"),
        ("v='one'", ""),
        # What stands behind it is not looked at.
        ("V='one'\nnothing", "one"),
    ],
)
def test_the_first_of_its_name_counts(text: str, value: str) -> None:
    assert find_variable(text, "V") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "at line 1: missing '='"),
        ("W='x'\n\n='y'", "at line 3: empty variable name"),
        ("V ='y'", "at line 1: whitespace before '=' is not allowed"),
        ("V=y", "at line 1: value must be enclosed in single quotes"),
        ('V="y"', "at line 1: value must be enclosed in single quotes"),
        ("V=", "at line 1: value must be enclosed in single quotes"),
        ("V='y'z", "at line 1: unexpected content after closing quote"),
        ("W='a\nb' c", "at line 2: unexpected content after closing quote"),
        ("\nV='y", "starting at line 2: unclosed single quote"),
    ],
)
def test_a_wrong_line_is_named(text: str, words: str) -> None:
    with pytest.raises(EnvFileError) as wrong:
        find_variable(text, "V")
    assert str(wrong.value).endswith(words)
