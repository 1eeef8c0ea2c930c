"""Bodies of requests as messages, and what is said of those that cannot be read."""

import pytest

from apiserver.rest.bodies import read_object
from apiserver.rest.served import DELETE_OPTIONS, EVICTION
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.errors import BadRequest, TooLarge, UnsupportedMediaType
from vaina.kinds import HORIZONTAL_POD_AUTOSCALER, POD

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_SCHEME = 'in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    unknown = runtime_pb2.Unknown(raw=raw)
    unknown.type_meta.api_version, unknown.type_meta.kind = api_version, kind
    return b"k8s\0" + unknown.SerializeToString()


def a_pod() -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.name = "web"
    pod.spec.containers.add(name="c", image="nginx")
    return pod


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"},"spec":{"containers":[{"name":"c","image":"nginx"}]}}'),
        ("", b'{"metadata":{"name":"web"},"spec":{"containers":[{"name":"c","image":"nginx"}]}}'),
        (YAML, b"kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: c, image: nginx}\n"),
        (YAML, b"metadata: {name: web}\nspec: {containers: [{name: c, image: nginx}]}\n---\nkind: Ignored\n"),
        (PROTOBUF, envelope("v1", "Pod", a_pod().SerializeToString())),
        (PROTOBUF, envelope("", "", a_pod().SerializeToString())),
    ],
    ids=["JSON", "no type, no header", "YAML", "the first document", "protobuf", "protobuf without a type"],
)  # fmt: skip
def test_the_same_object_in_all_forms(content_type, body):
    read = read_object(POD, content_type, body)
    assert pod_pb2.Pod.FromString(read.data) == a_pod()
    assert read.warnings == ()


BAD = [
    (JSON, b"", "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
    (JSON, b"[]", 'the object provided is unrecognized (must be of type Pod): couldn\'t get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b5d)'),
    (JSON, b'{"kind":1}', "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string ({\"kind\":1})"),
    (JSON, b'{"apiVersion":"a/b/c"}', 'the object provided is unrecognized (must be of type Pod): unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})'),
    (JSON, b'{"kind":"Pie","apiVersion":"v1"}', f'Pie in version "v1" cannot be handled as a Pod: no kind "Pie" is registered for version "v1" {_SCHEME}'),
    (JSON, b'{"kind":"ConfigMap","apiVersion":"v1"}', 'ConfigMap in version "v1" cannot be handled as a Pod: converting (v1.ConfigMap) to (core.Pod): unknown conversion'),
    (JSON, b'{"kind":"Pod","apiVersion":"v2"}', f'Pod in version "v2" cannot be handled as a Pod: no kind "Pod" is registered for version "v2" {_SCHEME}'),
    (JSON, b'{"kind":"Pod","apiVersion":"v1","spec":{"containers":{}}}', 'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container'),
    (YAML, b"a:\n\tb: 1", "the object provided is unrecognized (must be of type Pod): yaml: line 2: found character that cannot start any token (613a0a09623a2031)"),
    (PROTOBUF, b"", "the object provided is unrecognized (must be of type Pod): empty data (<empty>)"),
    (PROTOBUF, b"k8s\0", "the object provided is unrecognized (must be of type Pod): empty body (6b387300)"),
    (PROTOBUF, b"{}", "the object provided is unrecognized (must be of type Pod): provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] ({})"),
    (PROTOBUF, b"x" * 40, f"the object provided is unrecognized (must be of type Pod): provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] ({'78' * 30} ...)"),
    (PROTOBUF, envelope("v1", "ConfigMap", b""), 'ConfigMap in version "v1" cannot be handled as a Pod: converting (v1.ConfigMap) to (core.Pod): unknown conversion'),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "body", "words"), BAD, ids=range(len(BAD)))
def test_a_body_that_cannot_be_read_is_told_as_upstream_tells_it(content_type, body, words):
    with pytest.raises(BadRequest) as caught:
        read_object(POD, content_type, body)
    assert caught.value.message == words


_UNKNOWN = b'{"metadata":{"name":"web","name":"web"},"spec":{"foo":1,"containers":[{"name":"c","bar":true}]}}'


def test_strict_validation_refuses_unknown_and_duplicate_fields():
    with pytest.raises(BadRequest) as caught:
        read_object(POD, JSON, _UNKNOWN, "Strict")
    assert caught.value.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: duplicate field "metadata.name", '
        'unknown field "spec.foo", unknown field "spec.containers[0].bar"'
    )


@pytest.mark.parametrize("validation", ["", "Warn"])
def test_otherwise_they_are_warnings(validation):
    assert read_object(POD, JSON, _UNKNOWN, validation).warnings == (
        'duplicate field "metadata.name"', 'unknown field "spec.foo"', 'unknown field "spec.containers[0].bar"',
    )  # fmt: skip


def test_or_nothing_is_said_of_them():
    assert read_object(POD, JSON, _UNKNOWN, "Ignore").warnings == ()


def test_duplicate_keys_of_yaml_are_told_with_their_lines():
    read = read_object(POD, YAML, b"metadata:\n  name: a\n  name: b\n")
    assert read.warnings == ('line 3: key "name" already set in map',)


def test_what_fails_is_told_before_what_is_too_much():
    with pytest.raises(BadRequest) as caught:
        read_object(POD, JSON, b'{"foo":1,"spec":{"nodeName":1}}', "Strict")
    assert caught.value.message.endswith(
        "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeName of type string"
    )


def test_another_version_of_a_kind_is_named_as_the_wrong_one():
    with pytest.raises(BadRequest) as caught:
        read_object(POD, JSON, b'{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2"}')
    assert caught.value.message == (
        'HorizontalPodAutoscaler in version "v2" cannot be handled as a Pod: '
        "converting (v2.HorizontalPodAutoscaler) to (core.Pod): unknown conversion"
    )
    assert read_object(HORIZONTAL_POD_AUTOSCALER, JSON, b'{"kind":"HorizontalPodAutoscaler"}').data == b""


@pytest.mark.parametrize("api_version", ["", "v1", "meta.k8s.io/v1", "apps/v1"])
@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
def test_options_of_a_deletion_may_name_any_group(api_version, content_type):
    options = meta_pb2.DeleteOptions(propagation_policy="Background")
    body = (
        b'{"kind":"DeleteOptions","apiVersion":"%s","propagationPolicy":"Background","x":1}'
        % api_version.encode()
    )
    if content_type == PROTOBUF:
        body = envelope(api_version, "DeleteOptions", options.SerializeToString())
    read = read_object(DELETE_OPTIONS, content_type, body)
    assert meta_pb2.DeleteOptions.FromString(read.data) == options
    assert read.warnings == ()


def test_options_of_a_deletion_need_no_type():
    read = read_object(DELETE_OPTIONS, JSON, b'{"propagationPolicy":"Background"}')
    assert meta_pb2.DeleteOptions.FromString(read.data).propagation_policy == "Background"


def test_what_is_no_stored_kind_is_read_too():
    read = read_object(
        EVICTION, JSON, b'{"kind":"Eviction","apiVersion":"policy/v1","metadata":{"name":"web"}}'
    )
    assert EVICTION.message.FromString(read.data).metadata.name == "web"


def test_a_body_that_is_too_large_is_refused():
    with pytest.raises(TooLarge, match="Request entity too large: limit is 3145728"):
        read_object(POD, JSON, b" " * (3 * 1024 * 1024 + 1))


def test_a_body_of_another_type_is_refused():
    with pytest.raises(UnsupportedMediaType):
        read_object(POD, "text/plain", b"{}")
