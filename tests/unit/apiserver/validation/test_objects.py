"""Namespaces, ConfigMaps, Secrets, Events, Leases and PodTraces: what is refused, in which words."""

from typing import Any

import pytest

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import (
    CONFIG_KEY,
    LABEL,
    QUALIFIED,
    SUBDOMAIN,
    Case,
    case,
    each,
    read,
    violations,
)
from vaina.errors import FieldError
from vaina.kinds import CONFIG_MAP, EVENT, KINDS, LEASE, NAMESPACE, POD_TRACE, SECRET, Kind

LOCKED = "Forbidden: field is immutable when `immutable` is set"
META = "metadata: {name: a, namespace: b}"


def make(kind: Kind[Any], rest: str, meta: str = META) -> Any:
    return read(f"apiVersion: {kind.api_version}\nkind: {kind.kind}\n{meta}\n{rest}")


def created(kind: Kind[Any], rest: str, meta: str = META) -> list[FieldError]:
    return validate_create(kind, make(kind, rest, meta))


NAMESPACES = (
    case("a namespace is a label in no namespace", "metadata: {name: a.b, namespace: c}",
         'metadata.name: Invalid value: "a.b": must not contain dots',
         "metadata.namespace: Forbidden: not allowed on this type"),
    case("finalizers have names and a domain or fame",
         "metadata: {name: a}\nspec: {finalizers: [kubernetes, mine, -x, example.com/y]}",
         'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
         f'spec.finalizers: Invalid value: "-x": {QUALIFIED}',
         'spec.finalizers: Invalid value: "-x": name is neither a standard finalizer name nor is it fully qualified'),
)  # fmt: skip


@each(NAMESPACES)
def test_namespaces(case: Case) -> None:
    assert created(NAMESPACE, "", case.given) == violations(*case.want)


def test_a_namespaces_phase_says_whether_it_is_being_deleted() -> None:
    living, ending = "metadata: {name: a}", "metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z'}"
    for meta, fine, bad in ((living, "Active", "Terminating"), (ending, "Terminating", "Active")):
        old = make(NAMESPACE, "status: {phase: Active}", meta)
        assert (
            validate_status_update(NAMESPACE, make(NAMESPACE, f"status: {{phase: {fine}}}", meta), old) == []
        )
        word = "empty" if meta is living else "not empty"
        assert validate_status_update(
            NAMESPACE, make(NAMESPACE, f"status: {{phase: {bad}}}", meta), old
        ) == violations(
            f"status.Phase: Invalid value: \"{bad}\": may only be '{fine}' if `deletionTimestamp` is {word}"
        )


def test_a_changed_namespace_is_checked_as_a_new_one_and_as_a_change() -> None:
    old, new = make(NAMESPACE, "", "metadata: {name: a}"), make(NAMESPACE, "", "metadata: {name: B_}")
    assert validate_update(NAMESPACE, new, old) == violations(
        f'metadata.name: Invalid value: "B_": {LABEL}',
        'metadata.name: Invalid value: "B_": field is immutable',
    )


CONFIG_MAPS = (
    case("data of both sorts is in order", "data: {a.txt: b}\nbinaryData: {c: AAE=}"),
    case("keys are names of files", "data: {a/b: c}\nbinaryData: {..: AAE=}",
         f'data[a/b]: Invalid value: "a/b": {CONFIG_KEY}', 'binaryData[..]: Invalid value: "..": must not be \'..\''),
    case("a key is in one of the two", "data: {a: b}\nbinaryData: {a: AAE=}",
         'data[a]: Invalid value: "a": duplicate of key present in binaryData'),
    case("a ConfigMap has at most a mebibyte", f"data: {{a: {'x' * 1048577}}}",
         "[]: Too long: may not be more than 1048576 bytes"),
)  # fmt: skip


@each(CONFIG_MAPS)
def test_config_maps(case: Case) -> None:
    assert created(CONFIG_MAP, case.given) == violations(*case.want)


@pytest.mark.parametrize(("kind", "more"), [(CONFIG_MAP, "binaryData"), (SECRET, "")])
def test_what_is_immutable_stays(kind: Kind[Any], more: str) -> None:
    old = make(kind, "immutable: true\ndata: {a: AAAA}" + (f"\n{more}: {{b: AAE=}}" if more else ""))
    new = make(kind, "data: {a: AAAB}" + (f"\n{more}: {{b: AAAA}}" if more else ""))
    want = [f"immutable: {LOCKED}", f"data: {LOCKED}"] + ([f"{more}: {LOCKED}"] if more else [])
    assert validate_update(kind, new, old) == violations(*want)
    assert validate_update(kind, old, old) == []
    assert validate_update(kind, old, new) == []


SECRETS = (
    case("keys are names of files", "data: {a/b: AAAA}", f'data[a/b]: Invalid value: "a/b": {CONFIG_KEY}'),
    case("an account's token names its account", "type: kubernetes.io/service-account-token",
         "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
    case("a docker configuration is there", "type: kubernetes.io/dockerconfigjson",
         "data[.dockerconfigjson]: Required value"),
    case("an old docker configuration is there", "type: kubernetes.io/dockercfg", "data[.dockercfg]: Required value"),
    case("a docker configuration is JSON, and is not shown", "type: kubernetes.io/dockercfg\ndata: {.dockercfg: AAAA}",
         'data[.dockercfg]: Invalid value: "<secret contents redacted>": invalid character in JSON input'),
    case("a docker configuration is an object", "type: kubernetes.io/dockercfg\ndata: {.dockercfg: W10=}",
         'data[.dockercfg]: Invalid value: "<secret contents redacted>": json: cannot unmarshal into Go value of type '
         "map[string]interface {}"),
    case("a docker configuration is not empty", "type: kubernetes.io/dockercfg\ndata: {.dockercfg: ''}",
         'data[.dockercfg]: Invalid value: "<secret contents redacted>": unexpected end of JSON input'),
    case("a docker configuration", "type: kubernetes.io/dockercfg\ndata: {.dockercfg: e30=}"),
    case("a basic authentication has a user or a password", "type: kubernetes.io/basic-auth",
         "data[username]: Required value", "data[password]: Required value"),
    case("a password may do", "type: kubernetes.io/basic-auth\ndata: {password: ''}"),
    case("a key for ssh is not empty", "type: kubernetes.io/ssh-auth\ndata: {ssh-privatekey: ''}",
         "data[ssh-privatekey]: Required value"),
    case("TLS has a certificate and a key", "type: kubernetes.io/tls\ndata: {tls.crt: ''}",
         "data[tls.key]: Required value"),
    case("a Secret may be of a type of one's own", "type: example.com/mine"),
)  # fmt: skip


@each(SECRETS)
def test_secrets(case: Case) -> None:
    assert created(SECRET, case.given) == violations(*case.want)


def test_a_secret_has_at_most_a_mebibyte_and_keeps_its_type() -> None:
    old, new = make(SECRET, "type: Opaque"), make(SECRET, "type: example.com/mine")
    new.data["a"] = b"x" * 1048577
    assert validate_update(SECRET, new, old) == violations(
        'type: Invalid value: "example.com/mine": field is immutable',
        "data: Too long: may not be more than 1048576 bytes",
    )


NEW_EVENT = (
    "eventTime: '2026-01-01T00:00:00.000000Z'\nreportingComponent: example.com/c\nreportingInstance: i\naction: a\n"
    "reason: r\n"
)
EVENTS = (
    case("an old event is in its object's namespace", "involvedObject: {namespace: c}",
         'involvedObject.namespace: Invalid value: "c": does not match event.namespace'),
    case("an old event of an object without a namespace is in default", "involvedObject: {kind: Node}",
         'involvedObject.namespace: Invalid value: "": does not match event.namespace'),
    case("an old event in its object's namespace is in order", "involvedObject: {namespace: b}"),
    case("a new event says who, what and why", "eventTime: '2026-01-01T00:00:00.000000Z'\ninvolvedObject: {namespace: b}",
         "reportingComponent: Required value",
         'reportingComponent: Invalid value: "": name part must be non-empty',
         f'reportingComponent: Invalid value: "": {QUALIFIED}', "reportingInstance: Required value",
         "action: Required value", "reason: Required value"),
    case("a new event is short",
         "eventTime: '2026-01-01T00:00:00.000000Z'\ninvolvedObject: {namespace: b}\nreportingComponent: c\n"
         f"reportingInstance: {'i' * 129}\naction: {'a' * 129}\nreason: {'r' * 129}\nmessage: {'m' * 1025}",
         'reportingInstance: Invalid value: "": can have at most 128 characters',
         'action: Invalid value: "": can have at most 128 characters',
         'reason: Invalid value: "": can have at most 128 characters',
         'message: Invalid value: "": can have at most 1024 characters'),
    case("a new event of an object without a namespace is in one of the system's", NEW_EVENT + "involvedObject: {}",
         'involvedObject.namespace: Invalid value: "": does not match event.namespace'),
)  # fmt: skip


@each(EVENTS)
def test_events(case: Case) -> None:
    assert created(EVENT, case.given) == violations(*case.want)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("web.17a0b1c2d3e4f5a6", []),
        ("A_", []),
        ("", ["metadata.name: Required value: name or generateName is required"]),
        ("a/b%", ["metadata.name: Invalid value: \"a/b%\": may not contain '/'",
                  "metadata.name: Invalid value: \"a/b%\": may not contain '%'"]),
        ("..", ["metadata.name: Invalid value: \"..\": may not be '..'"]),
    ],
)  # fmt: skip
def test_an_events_name_only_has_to_fit_in_a_path(name: str, want: list[str]) -> None:
    event = make(EVENT, "involvedObject: {namespace: b}")
    event.metadata.name = name
    assert validate_create(EVENT, event) == violations(*want)
    assert validate_update(EVENT, event, event) == violations(*want)


def test_an_event_is_in_a_namespace_with_a_name() -> None:
    event = make(EVENT, "involvedObject: {namespace: A_}", "metadata: {name: a, namespace: A_}")
    assert validate_create(EVENT, event) == violations(f'namespace: Invalid value: "A_": {SUBDOMAIN}')


LEASES = (
    case("a lease lasts and has been passed on", "spec: {leaseDurationSeconds: 0, leaseTransitions: -1}",
         "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
         "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"),
    case("a preferred holder needs a strategy", "spec: {preferredHolder: a}",
         "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"),
    case("a strategy is known or has a domain", "spec: {strategy: Foo}",
         'spec.strategy.strategy: Unsupported value: "Foo": supported values: "OldestEmulationVersion"'),
    case("a strategy with a domain has a name", "spec: {strategy: a/-}",
         f'spec.strategy.strategy: Invalid value: "a/-": {QUALIFIED}'),
    case("a node's heartbeat is in order",
         "spec: {holderIdentity: n1, leaseDurationSeconds: 40, renewTime: '2026-01-01T00:00:00.000000Z'}"),
)  # fmt: skip


@each(LEASES)
def test_leases(case: Case) -> None:
    lease = make(LEASE, case.given)
    assert created(LEASE, case.given) == violations(*case.want)
    assert validate_update(LEASE, lease, make(LEASE, "")) == violations(*case.want)


STEPS = ", ".join(f'"{step}"' for step in ("ADMITTED", "SCHEDULED", "OBSERVED", "SANDBOXED", "MOUNTED", "STARTED",
                                           "REPORTED"))  # fmt: skip
TRACES = (
    case("a step is one of the seven", "spec: {podName: web, podUID: a}\nstatus: {steps: [{step: ADMITTED}, {step: BOUND}]}",
         f'status.steps[1].step: Unsupported value: "BOUND": supported values: {STEPS}'),
    case("a trace names its Pod", "", "spec.podName: Required value", "spec.podUID: Required value"),
    case("a trace is called as its Pod's uid", "spec: {podName: web, podUID: c}",
         'spec.podUID: Invalid value: "c": must be equal to metadata.name'),
    case("a step is named, once",
         "spec: {podName: web, podUID: a}\nstatus: {steps: [{}, {step: STARTED}, {step: STARTED}]}",
         "status.steps[0].step: Required value", 'status.steps[2].step: Duplicate value: "STARTED"'),
)  # fmt: skip


@each(TRACES)
def test_traces(case: Case) -> None:
    assert created(POD_TRACE, case.given) == violations(*case.want)


def test_a_trace_stays_with_its_pod() -> None:
    old = make(POD_TRACE, "spec: {podName: web, podUID: a}")
    new = make(POD_TRACE, "spec: {podName: other, podUID: a}\nstatus: {steps: [{}]}")
    want = violations(
        'spec: Invalid value: {"podName":"other","podUID":"a"}: field is immutable',
        "status.steps[0].step: Required value",
    )
    assert (validate_update(POD_TRACE, new, old), validate_status_update(POD_TRACE, new, old)) == (want, want)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_has_rules_for_all_that_can_happen_to_it(kind: Kind[Any]) -> None:
    empty = kind.message()
    assert "metadata.name: Required value: name or generateName is required" in map(
        str, validate_create(kind, empty)
    )
    other = kind.message()
    other.metadata.name = "a"
    for check in (validate_update, validate_status_update):
        found = [str(error) for error in check(kind, other, empty)]
        assert any('metadata.name: Invalid value: "a": field is immutable' in text for text in found) == (
            kind is not EVENT
        )
