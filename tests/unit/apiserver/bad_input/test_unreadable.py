"""Documents that cannot be read: text, types, unknown and duplicate fields, kinds. One message names all."""

import pytest

from tests.support.apiserver import make_apiserver
from tests.unit.apiserver.bad_input.cases import refusal
from vaina.api.core.v1 import manifest_service_pb2
from vaina.errors import ApiError, BadRequest, Invalid, NotFound, TooLarge

META = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
TWICE = """apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  x:
    q: 1
    q: 2
  x: [{x: 1,
       x: 2}]
  nodeSelector:
    1: a
    1: b
    1:
    "a\\n": a
    "a\\n":
      c
  b: 1
metadata: {name: web}
"""
STRICT = 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
BAD = 'Pod in version "v1" cannot be handled as a Pod: '
QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def go(kind: str, path: str, wanted: str) -> str:
    """Say it as Go's decoder does."""
    return f"json: cannot unmarshal {kind} into Go struct field {path} of type {wanted}"


CASES: list[tuple[str, str, type[ApiError], str]] = [
    ("nothing", "", BadRequest, "no objects passed to apply"),
    ("only comments", "# nothing\n---\n# here\n", BadRequest, "no objects passed to apply"),
    ("a text", "hello", BadRequest, "couldn't get version/kind; json parse error: json: cannot unmarshal string into an object"),
    ("a number", "5", BadRequest, "couldn't get version/kind; json parse error: json: cannot unmarshal number into an object"),
    ("a list", "[1]", BadRequest, "couldn't get version/kind; json parse error: json: cannot unmarshal array into an object"),
    ("no kind", "apiVersion: v1\nmetadata: {name: a}", BadRequest,
     "Object 'Kind' is missing in '{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}'"),
    ("no apiVersion", "kind: Pod\nmetadata: {name: a}", BadRequest,
     "Object 'apiVersion' is missing in '{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}'"),
    ("a kind that is a number", "apiVersion: v1\nkind: 5", BadRequest, "couldn't get version/kind; json parse error: Kind must be a string"),
    ("a version that is a list", "apiVersion: [v1]\nkind: Pod", BadRequest,
     "couldn't get version/kind; json parse error: apiVersion must be a string"),
    ("an unknown version", "apiVersion: v2\nkind: Pod\nmetadata: {name: a}", BadRequest, 'no matches for kind "Pod" in version "v2"'),
    ("an unknown group", "apiVersion: apps/v1beta1\nkind: ReplicaSet\nmetadata: {name: a}", BadRequest,
     'no matches for kind "ReplicaSet" in version "apps/v1beta1"'),
    ("a kind in small letters", "apiVersion: v1\nkind: pod\nmetadata: {name: a}", BadRequest, 'no matches for kind "pod" in version "v1"'),
    ("an unknown field at the top", META + "spek: {}", BadRequest, f'{STRICT}unknown field "spek"'),
    ("an unknown field in metadata", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, lables: {}}", BadRequest,
     f'{STRICT}unknown field "metadata.lables"'),
    ("an unknown field deep in a list", META + "spec: {containers: [{name: a, image: b}, {name: c, image: d, ports: [{port: 80}]}]}", BadRequest,
     f'{STRICT}unknown field "spec.containers[1].ports[0].port"'),
    ("a field in the wrong case", META + "spec: {Containers: []}", BadRequest, f'{STRICT}unknown field "spec.Containers"'),
    ("a field's name in snake case", META + "spec: {restart_policy: Never}", BadRequest, f'{STRICT}unknown field "spec.restart_policy"'),
    ("a field twice", META + "spec: {hostname: a, hostname: b, containers: []}", BadRequest,
     f'{STRICT}yaml: unmarshal errors:\n  line 4: key "hostname" already set in map'),
    ("a label twice", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {x: a, x: b}}", BadRequest,
     f'{STRICT}yaml: unmarshal errors:\n  line 3: key "x" already set in map'),
    ("keys that stand twice or thrice, and fields that are not known", TWICE, BadRequest,
     f'{STRICT}yaml: unmarshal errors:\n  line 8: key "q" already set in map\n  line 10: key "x" already set in map\n'
     '  line 9: key "x" already set in map\n  line 13: key 1 already set in map\n  line 14: key 1 already set in map\n'
     '  line 17: key "a\\n" already set in map\n  line 19: key "metadata" already set in map, '
     'unknown field "spec.b", unknown field "spec.x"'),
    ("a label twice in JSON", '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"x":"a","x":"b"}}}', BadRequest,
     f'{STRICT}duplicate field "metadata.labels.x"'),
    ("a name twice in an item of a list", '{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"a"},"metadata":{"name":"b"}}]}',
     BadRequest, f'{STRICT}duplicate field "metadata"'),
    ("a text for a list", META + "spec: {containers: none}", BadRequest, BAD + go("string", "PodSpec.spec.containers", "[]v1.Container")),
    ("an object for a list", META + "spec: {containers: {name: a}}", BadRequest, BAD + go("object", "PodSpec.spec.containers", "[]v1.Container")),
    ("a list for an object", META + "spec: []", BadRequest, BAD + go("array", "Pod.spec", "v1.PodSpec")),
    ("a text for an object in a list", META + "spec: {containers: [a]}", BadRequest, BAD + go("string", "PodSpec.spec.containers[0]", "v1.Container")),
    ("a text for a number", META + "spec: {priority: high}", BadRequest, BAD + go("string", "PodSpec.spec.priority", "int32")),
    ("a fraction for a number", META + "spec: {priority: 1.5}", BadRequest, BAD + go("number 1.5", "PodSpec.spec.priority", "int32")),
    ("a number that is too large", META + "spec: {priority: 2147483648}", BadRequest, BAD + go("number 2147483648", "PodSpec.spec.priority", "int32")),
    ("a truth for a text", META + "spec: {hostname: true}", BadRequest, BAD + go("bool", "PodSpec.spec.hostname", "string")),
    ("a text for a truth", META + "spec: {hostNetwork: 'yes'}", BadRequest, BAD + go("string", "PodSpec.spec.hostNetwork", "bool")),
    ("a number for a truth", META + "spec: {hostNetwork: 1}", BadRequest, BAD + go("number", "PodSpec.spec.hostNetwork", "bool")),
    ("a number for a label", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {v: 1}}", BadRequest,
     BAD + go("number", "ObjectMeta.metadata.labels.v", "string")),
    ("a list for labels", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: [v]}", BadRequest,
     BAD + go("array", "ObjectMeta.metadata.labels", "map[string]string")),
    ("a quantity that is none", META + "spec: {containers: [{name: a, image: b, resources: {limits: {cpu: much}}}]}", BadRequest,
     f"{BAD}spec.containers[0].resources.limits.cpu: {QUANTITY}"),
    ("a time that is none", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: yesterday}", BadRequest,
     f'{BAD}metadata.creationTimestamp: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'),
    ("bytes that are no base64", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: '%%%'}", BadRequest,
     'Secret in version "v1" cannot be handled as a Secret: data.k: illegal base64 data at input byte 0'),
    ("several mistakes at once", META + "spec: {hostname: 5, priority: a, foo: 1}", BadRequest,
     BAD + ", ".join((go("number", "PodSpec.spec.hostname", "string"), go("string", "PodSpec.spec.priority", "int32"),
                      'strict decoding error: unknown field "spec.foo"'))),
    ("JSON that ends early", '{"apiVersion": "v1", "kind": "Pod"', BadRequest, ""),
    ("YAML that is none", "a: [b", BadRequest, ""),
    ("a tab for indentation", "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a", BadRequest, ""),
    ("a name with generateName alone", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\nspec: {containers: [{name: a, image: b}]}",
     BadRequest, "from a-: cannot use generate name with apply"),
    ("no name", "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: b}]}", Invalid,
     'Pod "" is invalid: metadata.name: Required value: name or generateName is required'),
    ("a namespace that is not there", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: nowhere}\nspec: {containers: [{name: a, "
     "image: b}]}", NotFound, 'namespaces "nowhere" not found'),
    ("too many documents", "---\nx: 1\n" * 5001, TooLarge, "there may be at most 5000 documents"),
    ("too much text", "a" * (3 * 1024 * 1024 + 1), TooLarge, "Request entity too large: limit is 3145728"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("manifest", "error", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
async def test_what_cannot_be_read_is_told_in_one_message(
    manifest: str, error: type[ApiError], message: str
) -> None:
    found = await refusal(make_apiserver(), manifest)
    assert (type(found), found.code, found.reason) == (error, error.code, error.reason)
    if message:
        assert found.message == message
    else:
        assert found.message


@pytest.mark.parametrize(
    "deep", ["[" * 101 + "]" * 101, '{"a":' * 101 + "1" + "}" * 101], ids=["lists", "objects"]
)
async def test_what_is_nested_too_deeply_is_refused(deep: str) -> None:
    found = await refusal(make_apiserver(), '{"apiVersion":"v1","kind":"Pod","metadata":' + deep + "}")
    assert (found.code, found.message) == (400, "exceeded max depth")


async def test_aliases_that_grow_are_refused() -> None:
    """The billion laughs: nine levels of nine."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    found = await refusal(make_apiserver(), "\n".join(lines))
    assert found.code == 400
    assert "excessive aliasing" in found.message or "aliases" in found.message


async def test_one_bad_document_among_good_ones_has_its_own_answer() -> None:
    api = make_apiserver()
    good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n---\n"
    request = (
        good.format("a")
        + META.replace("web", "Bad_")
        + "spec: {containers: [{name: a, image: b}]}\n---\n"
        + "x: 1\n---\n"
        + good.format("b")
    )
    answer = await api.client.manifests.apply(
        manifest_service_pb2.ApplyRequest(manifest=request, namespace="default")
    )
    assert [(result.action, result.error.reason) for result in answer.results] == [
        ("created", ""), ("", "Invalid"), ("", "BadRequest"), ("created", ""),
    ]  # fmt: skip
