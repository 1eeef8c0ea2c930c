"""Metadata of every kind: names, labels, annotations, owners, finalizers, and what an update may not change."""

from functools import partial

from apiserver.validation import metadata
from apiserver.validation.place import find_violations
from tests.unit.apiserver.validation.cases import (
    LABEL,
    QUALIFIED,
    SUBDOMAIN,
    VALUE,
    Case,
    case,
    each,
    pod,
    problems,
    read,
    violations,
)
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import FieldError
from vaina.objects import names

OWNER = "apiVersion: v1, kind: Pod, name: a, uid: u"

METADATA = (
    case("a name or a prefix for one is needed", "", "metadata.name: Required value: name or generateName is required",
         "metadata.namespace: Required value"),
    case("a prefix alone is no name yet", "generateName: A_, namespace: default",
         f'metadata.generateName: Invalid value: "A_": {SUBDOMAIN}',
         "metadata.name: Required value: name or generateName is required"),
    case("a prefix may end in a dash", "generateName: a-, name: a-b, namespace: default"),
    case("a namespace is a label", "name: a, namespace: A_", f'metadata.namespace: Invalid value: "A_": {LABEL}'),
    case("labels have names and values", "name: a, namespace: b, labels: {-k: v, k: -v, l: ok}",
         f'metadata.labels: Invalid value: "-k": {QUALIFIED}', f'metadata.labels: Invalid value: "-v": {VALUE}'),
    case("annotations have names, in any case", "name: a, namespace: b, annotations: {-k: v, EXAMPLE.com/x: v}",
         f'metadata.annotations: Invalid value: "-k": {QUALIFIED}'),
    case("an owner has a version, a kind, a name and a uid", "name: a, namespace: b, ownerReferences: [{}]",
         "metadata.ownerReferences[0].apiVersion: Required value: must not be empty",
         "metadata.ownerReferences[0].kind: Required value: must not be empty",
         "metadata.ownerReferences[0].name: Required value: must not be empty",
         "metadata.ownerReferences[0].uid: Required value: must not be empty"),
    case("an owner's version is one", f"name: a, namespace: b, ownerReferences: [{{{OWNER.replace('v1', 'a/b/c')}}}, {{{OWNER.replace('v1', 'apps/')}}}]",
         'metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>',
         'metadata.ownerReferences[1].apiVersion: Invalid value: "apps/": must be <group>/<version> or <version>'),
    case("an event owns nothing",
         "name: a, namespace: b, ownerReferences: [{apiVersion: v1, kind: Event, name: e, uid: u}]",
         'metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"e","uid":"u"}: '
         "/v1, Kind=Event is disallowed from being an owner"),
    case("one owner controls",
         f"name: a, namespace: b, ownerReferences: [{{{OWNER}, controller: true, blockOwnerDeletion: true}}, "
         f"{{{OWNER}, controller: true}}]",
         'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"Pod","name":"a","uid":"u",'
         '"controller":true,"blockOwnerDeletion":true},{"apiVersion":"v1","kind":"Pod","name":"a","uid":"u",'
         '"controller":true}]: Only one reference can have Controller set to true. Found "true" in references for Pod/a '
         "and Pod/a"),
    case("finalizers have names, a domain or fame, and do not contradict",
         "name: a, namespace: b, finalizers: [-x, mine, kubernetes, example.com/x, orphan, foregroundDeletion]",
         f'metadata.finalizers: Invalid value: "-x": {QUALIFIED}',
         'metadata.finalizers: Invalid value: ["-x","mine","kubernetes","example.com/x","orphan","foregroundDeletion"]: '
         "finalizer orphan and foregroundDeletion cannot be both set",
         'metadata.finalizers[0]: Invalid value: "-x": name is neither a standard finalizer name nor is it fully qualified',
         'metadata.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully '
         "qualified"),
    case("managed fields name who, how and what",
         f"name: a, namespace: b, managedFields: [{{operation: Apply}}, {{operation: X, fieldsType: X, "
         f"manager: {'m' * 129}, subresource: {'s' * 257}}}, {{operation: Update, manager: \"a\\tb\"}}]",
         'metadata.managedFields[1].operation: Invalid value: "X": must be `Apply` or `Update`',
         'metadata.managedFields[1].fieldsType: Invalid value: "X": must be `FieldsV1`',
         "metadata.managedFields[1].manager: Too long: may not be more than 128 bytes",
         "metadata.managedFields[1].subresource: Too long: may not be more than 256 bytes",
         'metadata.managedFields[2].manager: Invalid value: "a\\tb": invalid character U+0009 (at position 1)'),
)  # fmt: skip


def _created(meta: meta_pb2.ObjectMeta, *, namespaced: bool) -> list[FieldError]:
    check = partial(metadata.check_create, rule=names.dns_1123_subdomain, namespaced=namespaced)
    return find_violations(check, meta)


@each(METADATA)
def test_metadata_of_a_new_object(case: Case) -> None:
    made = read(f"apiVersion: v1\nkind: Pod\nmetadata: {{{case.given}}}")
    assert _created(made.metadata, namespaced=True) == violations(*case.want)


def test_annotations_are_at_most_256_kibibytes_together() -> None:
    made = pod()
    made.metadata.annotations["a"] = "x" * (256 * 1024)
    assert problems(made) == violations("metadata.annotations: Too long: may not be more than 262144 bytes")


def test_a_generation_is_not_negative() -> None:
    made = pod()
    made.metadata.generation = -1
    assert problems(made) == violations(
        "metadata.generation: Invalid value: -1: must be greater than or equal to 0"
    )


def test_a_kind_without_namespaces_refuses_one() -> None:
    meta = meta_pb2.ObjectMeta(name="a", namespace="b")
    assert _created(meta, namespaced=False) == violations(
        "metadata.namespace: Forbidden: not allowed on this type"
    )


def changed(old: str, new: str) -> list[FieldError]:
    first, second = (read(f"apiVersion: v1\nkind: Pod\nmetadata: {{{text}}}").metadata for text in (old, new))
    return find_violations(metadata.check_update, second, first)


UPDATES = (
    case("the same metadata is in order", "name: a, uid: u, labels: {a: b}", spec="name: a, uid: u, labels: {a: b}"),
    case("who and where an object is stays", "name: a, namespace: b, uid: c",
         'metadata.name: Invalid value: "x": field is immutable',
         'metadata.namespace: Invalid value: "w": field is immutable',
         'metadata.uid: Invalid value: "z": field is immutable', spec="name: x, namespace: w, uid: z"),
    case("times are the server's", "name: a, creationTimestamp: '2026-01-01T00:00:00Z'",
         'metadata.creationTimestamp: Invalid value: "2026-01-02T00:00:00Z": field is immutable',
         'metadata.deletionTimestamp: Invalid value: "2026-01-02T00:00:00Z": field is immutable',
         "metadata.deletionGracePeriodSeconds: Invalid value: 1: field is immutable",
         spec="name: a, creationTimestamp: '2026-01-02T00:00:00Z', deletionTimestamp: '2026-01-02T00:00:00Z', "
         "deletionGracePeriodSeconds: 1"),
    case("a time that is gone is a change", "name: a, deletionTimestamp: '2026-01-01T00:00:00Z'",
         'metadata.deletionTimestamp: Invalid value: null: field is immutable', spec="name: a"),
    case("a generation does not go back", "name: a, generation: 2",
         "metadata.generation: Invalid value: 1: must not be decremented", spec="name: a, generation: 1"),
    case("a finalizer may be added to an object that lives", "name: a", spec="name: a, finalizers: [example.com/x]"),
    case("no finalizer is added to an object that ends", "name: a, deletionTimestamp: '2026-01-01T00:00:00Z'",
         "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
         'finalizers []string{"example.com/x", "example.com/y"}',
         spec="name: a, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [example.com/y, example.com/x]"),
    case("what stands in a message is quoted as Go does", "name: a, deletionTimestamp: '2026-01-01T00:00:00Z'",
         "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
         'finalizers []string{"example.com/x\\ny"}',
         f'metadata.finalizers: Invalid value: "example.com/x\\ny": name part {QUALIFIED.removeprefix("name part ")}',
         spec="name: a, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [\"example.com/x\\ny\"]"),
    case("labels of an update are checked too", "name: a",
         f'metadata.labels: Invalid value: "-k": {QUALIFIED}', spec="name: a, labels: {-k: v}"),
)  # fmt: skip


@each(UPDATES)
def test_metadata_of_a_changed_object(case: Case) -> None:
    assert changed(case.given, case.spec) == violations(*case.want)
