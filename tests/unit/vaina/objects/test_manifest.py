"""Manifests: strict reading with every mistake named, and writing."""

import json
from typing import Any

import pytest

from vaina.api.core.v1 import config_pb2, event_pb2, pod_pb2
from vaina.errors import ApiError, BadRequest, TooLarge
from vaina.kinds import CONFIG_MAP, EVENT, POD, REPLICA_SET
from vaina.objects.manifest import (
    Decoded,
    decode_dict,
    decode_documents,
    decode_json,
    encode_json,
    encode_yaml,
    list_to_dict,
    read_documents,
    to_dict,
    write_json,
)
from vaina.objects.tree import Number
from vaina.testing.builders import make_pod

HEAD = 'Pod in version "v1" cannot be handled as a Pod: '


def pod_json(spec: Any, **metadata: Any) -> str:
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", **metadata}, "spec": spec}
    )


def container_json(**fields: Any) -> str:
    return pod_json({"containers": [{"name": "c", **fields}]})


def read_pod(text: str) -> pod_pb2.Pod:
    message = decode_json(text).message
    assert isinstance(message, pod_pb2.Pod)
    return message


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (pod_json({"contianers": []}), 'strict decoding error: unknown field "spec.contianers"'),
        (
            pod_json({"containers": [{"name": "c"}, {"nmae": "d", "ports": [{"x": 1}]}], "y": 1}, label=1),
            'strict decoding error: unknown field "metadata.label", unknown field "spec.containers[1].nmae", '
            'unknown field "spec.containers[1].ports[0].x", unknown field "spec.y"',
        ),
        (
            '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","name":"a"},"spec":{"containers":[{"image":"x","image":"y"}]}}',
            'strict decoding error: duplicate field "metadata.name", duplicate field "spec.containers[0].image"',
        ),
        (
            '{"apiVersion":"v1","kind":"Pod","x":1,"metadata":{"foo":1,"name":"b","name":"a","bar":2},"kind":"Pod",'
            '"spec":{"nodeSelector":{"a":"1","b":"2","a":"3"},"q":1},"x":2}',
            'strict decoding error: unknown field "x", unknown field "metadata.foo", duplicate field "metadata.name", '
            'unknown field "metadata.bar", duplicate field "kind", duplicate field "spec.nodeSelector.a", '
            'unknown field "spec.q"',
        ),
        (
            pod_json({"nodeSelector": {"a": 1}}),
            "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector.a of type string",
        ),
        (pod_json({"containers": {}}), "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"),
        (pod_json({"containers": ["x"]}), "json: cannot unmarshal string into Go struct field PodSpec.spec.containers[0] of type v1.Container"),
        (pod_json([]), "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"),
        (container_json(ports={}), "json: cannot unmarshal object into Go struct field Container.spec.containers[0].ports of type []v1.ContainerPort"),
        (
            container_json(ports=[{"containerPort": "80"}]),
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers[0].ports[0].containerPort of type int32",
        ),
        (
            container_json(ports=[{"containerPort": 80.5}]),
            "json: cannot unmarshal number 80.5 into Go struct field ContainerPort.spec.containers[0].ports[0].containerPort of type int32",
        ),
        (
            container_json(ports=[{"containerPort": 3000000000}]),
            "json: cannot unmarshal number 3000000000 into Go struct field ContainerPort.spec.containers[0].ports[0].containerPort of type int32",
        ),
        (container_json(tty="yes"), "json: cannot unmarshal string into Go struct field Container.spec.containers[0].tty of type bool"),
        (container_json(tty=1), "json: cannot unmarshal number into Go struct field Container.spec.containers[0].tty of type bool"),
        (container_json(image=True), "json: cannot unmarshal bool into Go struct field Container.spec.containers[0].image of type string"),
        (container_json(command="sh"), "json: cannot unmarshal string into Go struct field Container.spec.containers[0].command of type []string"),
        (
            container_json(env=[{"name": "A", "value": 1}]),
            "json: cannot unmarshal number into Go struct field EnvVar.spec.containers[0].env[0].value of type string",
        ),
        (
            container_json(resources={"requests": {"cpu": "lots"}}),
            "spec.containers[0].resources.requests.cpu: quantities must match the regular expression",
        ),
        (container_json(resources={"requests": {"cpu": True}}), "spec.containers[0].resources.requests.cpu: quantities must match"),
        (
            container_json(livenessProbe={"tcpSocket": {"port": True}}),
            "json: cannot unmarshal bool into Go struct field TCPSocketAction.spec.containers[0].livenessProbe.tcpSocket.port of type int32",
        ),
        (pod_json({}, creationTimestamp="now"), 'metadata.creationTimestamp: parsing time "now" as "2006-01-02T15:04:05Z07:00"'),
        (pod_json({}, creationTimestamp=1), "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"),
        (
            pod_json({"containers": [{"name": 1, "foo": 1}]}, labels="x"),
            "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string, "
            "json: cannot unmarshal number into Go struct field Container.spec.containers[0].name of type string, "
            'strict decoding error: unknown field "spec.containers[0].foo"',
        ),
    ],
)  # fmt: skip
def test_every_mistake_is_named_with_its_path(text: str, error: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_json(text)
    assert caught.value.message.startswith(f"{HEAD}{error}")
    if "quantities" not in error and "parsing time" not in error:
        assert caught.value.message == f"{HEAD}{error}"
    assert (caught.value.kind, caught.value.name) == ("Pod", "a")


def test_not_strict_drops_unknown_fields_and_says_so() -> None:
    decoded = decode_json(pod_json({"contianers": [], "nodeName": "n"}), strict=False)
    assert decoded.warnings == ('unknown field "spec.contianers"',)
    assert decoded.message.spec.node_name == "n"  # type: ignore[attr-defined]
    with pytest.raises(BadRequest):
        decode_json(container_json(tty=1), strict=False)


def test_upstream_stops_at_a_hundred_unknown_fields() -> None:
    with pytest.raises(BadRequest) as caught:
        decode_json(pod_json({f"x{index}": 1 for index in range(1000)}))
    assert caught.value.message.count("unknown field") == 100


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "unexpected end of JSON input"),
        ("{}{}", "there must be one JSON object"),
        ("[1]", "couldn't get version/kind; json parse error: json: cannot unmarshal array"),
        ('"x"', "cannot unmarshal string"),
        ("{", "line 1"),
        ('{"a": NaN}', "invalid character 'N'"),
        ('{"kind": "Pod"}', "Object 'apiVersion' is missing in '{\"kind\":\"Pod\"}'"),
        ('{"apiVersion": "v1"}', "Object 'Kind' is missing in '{\"apiVersion\":\"v1\"}'"),
        ('{"apiVersion": "v1", "kind": 1}', "Kind must be a string"),
        ('{"apiVersion": "v2", "kind": "Pod"}', 'no matches for kind "Pod" in version "v2"'),
        ("[" * 200 + "]" * 200, "exceeded max depth"),
        ('{"a":' * 100_000, "exceeded max depth"),
    ],
)
def test_a_text_that_is_no_object_is_refused(text: str, error: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_json(text)
    assert error in caught.value.message


def test_a_text_that_is_too_large_is_not_read() -> None:
    for call in (decode_json, decode_documents):
        with pytest.raises(TooLarge, match="limit is 3145728"):
            call(" " * 3_145_729)


def test_bytes_must_be_utf8() -> None:
    with pytest.raises(BadRequest, match="invalid UTF-8 at byte 1"):
        decode_json(b'"\xff"')
    assert read_pod(pod_json({}).encode()).metadata.name == "a"


def test_lone_surrogates_become_replacement_characters() -> None:
    text = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"\\ud800x","labels":{"\\udfff":"\\ud83d\\ude00"}}}'
    pod = read_pod(text)
    assert pod.metadata.name == "\ufffdx"
    assert dict(pod.metadata.labels) == {"\ufffd": "\U0001f600"}


def test_an_expected_kind_may_be_left_out_but_not_be_another() -> None:
    assert decode_json('{"metadata":{"name":"a"}}', kind=POD).message == make_named("a")
    with pytest.raises(
        BadRequest, match=r"the kind in the data \(Node\) does not match the expected kind \(Pod\)"
    ):
        decode_json('{"kind":"Node"}', kind=POD)
    with pytest.raises(BadRequest, match=r"does not match the expected API version \(apps/v1\)"):
        decode_json('{"apiVersion":"v1"}', kind=REPLICA_SET)


def make_named(name: str) -> pod_pb2.Pod:
    return pod_pb2.Pod(metadata={"name": name})


def test_null_is_unset_and_in_lists_and_maps_the_zero_value() -> None:
    text = pod_json(
        {"nodeName": None, "containers": [None, {"name": "c", "args": [None, "x"]}]},
        labels={"a": None},
        annotations=None,
    )
    pod = read_pod(text)
    assert [c.name for c in pod.spec.containers] == ["", "c"]
    assert list(pod.spec.containers[1].args) == ["", "x"]
    assert dict(pod.metadata.labels) == {"a": ""}
    assert not pod.metadata.annotations


def test_quantities_keep_the_text_of_their_numbers() -> None:
    requests = '{"a":0.1,"b":1e3,"c":100e6,"d":"1024Mi","e":2,"f":" 1 "}'
    pod = read_pod(
        container_json(resources={"requests": {}}).replace('"requests": {}', f'"requests": {requests}')
    )
    found = pod.spec.containers[0].resources.requests
    assert {key: found[key].string for key in found} == {
        "a": "100m",
        "b": "1e3",
        "c": "100e6",
        "d": "1Gi",
        "e": "2",
        "f": "1",
    }


def test_ports_are_numbers_or_names() -> None:
    for given, expected in ((80, 80), ("http", "http"), ("80", "80")):
        pod = read_pod(container_json(livenessProbe={"httpGet": {"port": given}}))
        shown = to_dict(POD, pod)["spec"]["containers"][0]["livenessProbe"]["httpGet"]["port"]
        assert shown == expected


def test_bytes_are_base64() -> None:
    found = decode_json('{"apiVersion":"v1","kind":"ConfigMap","binaryData":{"a":"aGVs\\nbG8="}}').message
    assert isinstance(found, config_pb2.ConfigMap)
    assert found.binary_data["a"] == b"hello"
    assert to_dict(CONFIG_MAP, found)["binaryData"] == {"a": "aGVsbG8="}
    for wrong, at in (("a*b=", 1), ("abc", 3), ("é", 0)):
        with pytest.raises(BadRequest, match=f"binaryData.a: illegal base64 data at input byte {at}"):
            decode_json(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"a": wrong}}))


def test_managed_fields_keep_their_json() -> None:
    entry = {"manager": "m", "fieldsV1": {"f:spec": {".": {}, "n": 1.5, "m": 10**25}}}
    pod = read_pod(pod_json({}, managedFields=[entry]))
    assert json.loads(pod.metadata.managed_fields[0].fields_v1.raw) == entry["fieldsV1"]
    exact = pod_pb2.Pod(metadata={"managed_fields": [{"fields_v1": {"raw": b'{"a":1.50,"b":1e400}'}}]})
    assert '"fieldsV1":{"a":1.50,"b":1e400}' in encode_json(POD, exact)
    for raw in (b"{", b"[" * 100_000):
        broken = pod_pb2.Pod(metadata={"managed_fields": [{"fields_v1": {"raw": raw}}]})
        assert to_dict(POD, broken)["metadata"]["managedFields"] == [{"fieldsV1": None}]


def test_what_json_always_shows_is_shown() -> None:
    shown = to_dict(EVENT, event_pb2.Event())
    assert shown == {
        "apiVersion": "v1", "kind": "Event", "metadata": {}, "involvedObject": {}, "source": {}, "firstTimestamp": None,
        "lastTimestamp": None, "eventTime": None, "reportingComponent": "", "reportingInstance": "",
    }  # fmt: skip
    assert to_dict(POD, pod_pb2.Pod(spec={}))["spec"] == {"containers": None}
    ephemeral = pod_pb2.Pod(spec={"ephemeral_containers": [{"target_container_name": "c"}]})
    assert to_dict(POD, ephemeral)["spec"]["ephemeralContainers"] == [
        {"targetContainerName": "c", "name": "", "resources": {}}
    ]


def test_several_documents_lists_and_lines() -> None:
    text = """# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
- {apiVersion: v1, kind: Pod, metadata: {name: c}}
---
apiVersion: v1
kind: PodList
items: [{metadata: {name: d}}]
"""
    found = decode_documents(text)
    assert [(one.kind.kind, one.message.metadata.name, one.line) for one in found] == [  # type: ignore[attr-defined]
        ("ConfigMap", "a", 2), ("ConfigMap", "b", 7), ("Pod", "c", 7), ("Pod", "d", 13),
    ]  # fmt: skip


def test_json_documents_may_follow_one_another() -> None:
    found = decode_documents(f"{pod_json({})}\n\n{pod_json({})}")
    assert [one.line for one in found] == [1, 3]
    assert decode_documents("{apiVersion: v1, kind: Pod}")[0].message == pod_pb2.Pod()


def test_a_bad_document_stands_as_its_error() -> None:
    good, bad, nothing = read_documents(
        "{apiVersion: v1, kind: Pod}\n---\n{apiVersion: v1, kind: Pod, x: 1}\n---\n1\n"
    )
    assert isinstance(good, Decoded)
    assert isinstance(bad, BadRequest)
    assert isinstance(nothing, ApiError)
    with pytest.raises(BadRequest, match='unknown field "x"'):
        decode_documents("{apiVersion: v1, kind: Pod, x: 1}")


def test_there_are_not_too_many_documents() -> None:
    with pytest.raises(TooLarge, match="at most 5000 documents"):
        read_documents("a: 1\n---\n" * 5001)


def test_bad_yaml_says_where() -> None:
    with pytest.raises(BadRequest, match="error converting YAML to JSON: yaml: line 2: "):
        decode_documents("a: 1\n b: 2\n")


def test_the_source_is_what_was_written() -> None:
    found = decode_documents(
        "{apiVersion: v1, kind: Pod, spec: {containers: [{resources: {requests: {cpu: 0.50}}}]}}"
    )[0]
    assert found.source["spec"]["containers"][0]["resources"]["requests"] == {"cpu": Number("0.5")}
    assert decode_dict(found.source).message == found.message
    assert write_json(found.source) == (
        '{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"resources":{"requests":{"cpu":0.5}}}]}}'
    )


def test_values_of_a_patch_may_be_floats() -> None:
    tree = {"spec": {"containers": [{"resources": {"requests": {"cpu": 0.5}}}]}}
    assert decode_dict(tree, kind=POD).message.spec.containers[0].resources.requests["cpu"].string == "500m"  # type: ignore[attr-defined]
    with pytest.raises(BadRequest, match=r"cannot unmarshal number 8\.5 into Go struct field"):
        decode_dict({"spec": {"priority": 8.5}}, kind=POD)


def test_writing_sorts_keys() -> None:
    pod = make_pod("a", labels={"z": "1", "b": "2"}, created=None)
    assert encode_json(POD, pod).startswith(
        '{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"b":"2","z":"1"},'
    )
    assert json.loads(encode_json(POD, pod, indent=2)) == to_dict(POD, pod)
    assert encode_yaml(POD, pod).startswith(
        'apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    b: "2"\n    z: "1"\n'
    )


def test_a_list_has_its_version_and_whole_items() -> None:
    shown = list_to_dict(POD, [make_named("a")], "7", "next")
    assert shown["kind"] == "PodList"
    assert shown["metadata"] == {"resourceVersion": "7", "continue": "next"}
    assert shown["items"] == [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a"},
            "spec": {"containers": None},
            "status": {},
        }
    ]


def test_the_limit_of_a_text_is_in_bytes() -> None:
    with pytest.raises(TooLarge, match="limit is 3145728"):
        decode_json(pod_json({"hostname": "ä" * (3 * 512 * 1024)}))
