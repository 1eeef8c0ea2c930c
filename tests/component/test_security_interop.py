"""Upstream's own code beside ours: encrypted values both ways, and what audit policies say of requests."""

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.audit.policy import Level, Policy, read_policy
from apiserver.authorization.attributes import Attributes
from apiserver.storage.encryption.config import transformers_of
from apiserver.storage.encryption.transform import Transformer
from apiserver.storage.interface import Unreadable
from apiserver.storage.keys import kind_prefix, object_key
from apiserver.storage.values import Values
from tests.support.audit import policy_of
from tests.support.interop import Kubernetes, kubernetes
from vaina.api.core.v1 import config_pb2
from vaina.config import ConfigError
from vaina.kinds import DEPLOYMENT, SECRET
from vaina.serving.handlers import User

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
__all__ = ["kubernetes"]
PATH = Path("keys.yaml")
KEY = object_key(SECRET, "default", "a")
many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def key(number: int, size: int = 32) -> dict[str, str]:
    return {"name": f"key{number}", "secret": base64.b64encode(bytes(range(number, number + size))).decode()}


def aesgcm(*keys: dict[str, str]) -> dict[str, Any]:
    return {"aesgcm": {"keys": list(keys)}}


IDENTITY: dict[str, Any] = {"identity": {}}


def config(*providers: dict[str, Any], resources: tuple[str, ...] = ("secrets",)) -> str:
    """YAML is a superset of JSON."""
    return json.dumps({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
        "resources": [{"resources": list(resources), "providers": list(providers)}],
    })  # fmt: skip


def ours(text: str) -> Transformer:
    return transformers_of(PATH, text.encode())[kind_prefix(SECRET)]


CONFIGS = {
    "one key": config(aesgcm(key(1))),
    "a new key first": config(aesgcm(key(2), key(1))),
    "two providers": config(aesgcm(key(2)), aesgcm(key(1))),
    "identity first": config(IDENTITY, aesgcm(key(1))),
    "identity last": config(aesgcm(key(1, 16)), IDENTITY),
    "another key of the name": config(aesgcm({**key(9), "name": "key1"})),
    "192 bits": config(aesgcm(key(3, 24))),
    "only identity": config(IDENTITY),
}


@pytest.mark.parametrize("written", CONFIGS)
@pytest.mark.parametrize("read", CONFIGS)
def test_values_are_read_by_either_of_either_with_the_same_result(
    kubernetes: Kubernetes, written: str, read: str
) -> None:
    plain = b"k8s\x00what is stored"
    values = (
        kubernetes.encrypt(CONFIGS[written], "secrets", KEY, plain),
        ours(CONFIGS[written]).write(KEY, plain),
    )
    for value in values:
        theirs = partial(kubernetes.decrypt, CONFIGS[read], "secrets", KEY, value)
        assert found(partial(ours(CONFIGS[read]).read, KEY, value)) == found(theirs)


def found(read: Callable[[], tuple[bytes, bool]]) -> object:
    """Return what was read, or why it was not."""
    try:
        return read()
    except (Unreadable, ValueError) as error:
        return str(error).rpartition("revision=0: ")[2]


def test_a_kube_apiserver_reads_the_secrets_that_we_stored(kubernetes: Kubernetes) -> None:
    secret = config_pb2.Secret(type="Opaque", data={"password": b"canary"})
    secret.metadata.name, secret.metadata.namespace = "a", "default"
    text = CONFIGS["a new key first"]
    stored = Values(transformers_of(PATH, text.encode())).encode(
        KEY, secret.SerializeToString(deterministic=True), ("v1", "Secret"), 0
    )
    assert stored.startswith(b"k8s:enc:aesgcm:v1:key2:")
    plain, is_stale = kubernetes.decrypt(text, "secrets", KEY, stored)
    tree = kubernetes.decode(plain).json
    assert (tree["data"], is_stale) == ({"password": base64.b64encode(b"canary").decode()}, False)
    with pytest.raises(ValueError, match="message authentication failed"):
        kubernetes.decrypt(text, "secrets", object_key(SECRET, "tenant", "a"), stored)


WRONG = {
    "no providers": config(),
    "no resources": config(aesgcm(key(1)), resources=()),
    "capital": config(aesgcm(key(1)), resources=("Secrets",)),
    "star": config(aesgcm(key(1)), resources=("*",)),
    "across groups": config(aesgcm(key(1)), resources=("secrets.*",)),
    "events": config(aesgcm(key(1)), resources=("events.events.k8s.io",)),
    "extensions": config(aesgcm(key(1)), resources=("deployments.extensions",)),
    "no REST": config(aesgcm(key(1)), resources=("apiserveripinfo",)),
    "twice": config(aesgcm(key(1)), resources=("secrets", "secrets")),
    "overlap": config(aesgcm(key(1)), resources=("secrets", "*.")),
    "overlap of all": config(aesgcm(key(1)), resources=("*.apps", "*.*")),
    "no keys": config(aesgcm()),
    "short key": config(aesgcm(key(1, 8))),
    "no base64": config(aesgcm({"name": "a", "secret": "$"})),
    "no name": config(aesgcm({"name": "", "secret": key(1)["secret"]})),
    "no secret": config(aesgcm({"name": "a", "secret": ""})),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_configuration_is_told_in_the_same_words(
    kubernetes: Kubernetes, name: str
) -> None:
    with pytest.raises(ValueError, match=": ") as theirs:
        kubernetes.encrypt(WRONG[name], "secrets", KEY, b"")
    with pytest.raises(ConfigError) as caught:
        transformers_of(PATH, WRONG[name].encode())
    assert str(caught.value).removeprefix('file "keys.yaml": ') == str(theirs.value).removeprefix(
        "error while parsing file: "
    )


@pytest.mark.parametrize(
    "resources", [("secrets",), ("deployments.apps",), ("*.apps",), ("*.",), ("*.*",), ("deployments",)]
)
def test_the_same_kinds_are_encrypted(kubernetes: Kubernetes, resources: tuple[str, ...]) -> None:
    text = config(aesgcm(key(1)), resources=resources)
    found = transformers_of(PATH, text.encode())
    for kind in (SECRET, DEPLOYMENT):
        name = f"{kind.plural}.{kind.group}".rstrip(".")
        stored = kubernetes.encrypt(text, name, object_key(kind, "default", "a"), b"k8s\x00")  # type: ignore[arg-type]  # of a kind
        assert (kind_prefix(kind) in found) is stored.startswith(b"k8s:enc:")  # type: ignore[arg-type]  # as above


some = st.sampled_from
words = {
    "users": ["jane", "john", "system:node:n1"],
    "userGroups": ["dev", "system:nodes"],
    "verbs": ["get", "list", "create", "update"],
    "namespaces": ["", "default", "kube-system"],
}
RULES = st.fixed_dictionaries(
    {"level": some(["None", "Metadata", "Request", "RequestResponse"])},
    optional={
        **{name: st.lists(some(values), max_size=2) for name, values in words.items()},
        "resources": st.lists(
            st.fixed_dictionaries(
                {"group": some(["", "apps", "*"])},
                optional={"resources": st.lists(some(["pods", "pods/log", "pods/*", "*/log", "*", "secrets"]), min_size=1, max_size=2)},
            ),
            max_size=2,
        ),
        "omitStages": st.lists(some(["RequestReceived", "Panic", "ResponseStarted"]), max_size=2),
        "omitManagedFields": st.booleans(),
    },
)  # fmt: skip
PATHS = st.fixed_dictionaries({
    "level": some(["None", "Metadata"]),
    "nonResourceURLs": st.lists(some(["*", "/version", "/ver*", "/healthz*", "/"]), min_size=1, max_size=2),
})  # fmt: skip
POLICIES = st.fixed_dictionaries(
    {"rules": st.lists(RULES | PATHS, min_size=1, max_size=5)},
    optional={
        "omitStages": st.lists(some(["RequestReceived", "Panic"]), max_size=1), "omitManagedFields": st.booleans(),
    },
)  # fmt: skip
ASKED = st.fixed_dictionaries({
    "user": some(words["users"]), "groups": st.lists(some(words["userGroups"]), max_size=2), "verb": some(words["verbs"]),
    "group": some(["", "apps"]), "resource": some(["pods", "secrets", "deployments", ""]), "subresource": some(["", "log"]),
    "namespace": some(words["namespaces"]), "name": some(["", "a"]), "path": some(["/version", "/healthz/etcd", "/x"]),
})  # fmt: skip


def compare(kubernetes: Kubernetes, policy: Policy, text: str, asked: dict[str, Any]) -> None:
    user = User(asked["user"], tuple(asked["groups"]))
    rest = {name: value for name, value in asked.items() if name not in ("user", "groups")}
    if rest["resource"]:
        rest["path"] = ""
    else:
        rest |= dict.fromkeys(("group", "subresource", "namespace", "name"), "")
    found = policy.of(Attributes(user, **rest))
    theirs = kubernetes.audit(text, {**asked, **rest})
    assert (found.level.word, sorted(found.omit_stages), found.omit_managed_fields) == (
        theirs["level"], sorted(theirs["omitStages"] or ()), theirs["omitManagedFields"],
    )  # fmt: skip


@many
@given(POLICIES, st.lists(ASKED, min_size=5, max_size=20))
def test_policies_say_the_same_of_every_request(
    kubernetes: Kubernetes, tmp_path: Path, policy: dict[str, Any], questions: list[dict[str, Any]]
) -> None:
    read = policy_of(tmp_path, "".join(f"{name}: {json.dumps(value)}\n" for name, value in policy.items()))
    text = json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", **policy})
    for asked in questions:
        compare(kubernetes, read, text, asked)


def test_upstream_takes_the_default_policy(kubernetes: Kubernetes) -> None:
    path = Path(__file__).parents[2] / "deploy" / "audit-policy.yaml"
    asked = {
        "user": "jane", "groups": [], "verb": "get", "group": "", "resource": "secrets", "subresource": "",
        "namespace": "default", "name": "a", "path": "",
    }  # fmt: skip
    policy = read_policy(path)
    assert (
        policy.of(Attributes(User("jane", ()), "get", resource="secrets", namespace="default")).level
        is Level.METADATA
    )
    compare(kubernetes, policy, path.read_text(), asked)


WRONG_POLICIES = (
    "rules: [{}]",
    "rules: [{level: All}]",
    "rules: [{level: None, omitStages: [Foo]}]",
    "omitStages: [Foo]\nrules: [{level: None}]",
    "rules: [{level: None, nonResourceURLs: [a, '/a*b']}]",
    "rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]",
    "rules: [{level: None, resources: [{group: '', resourceNames: [a]}, {group: a/b}]}]",
    "rules: []",
)


@pytest.mark.parametrize("text", WRONG_POLICIES)
def test_what_is_wrong_with_a_policy_is_told_in_the_same_words(
    kubernetes: Kubernetes, tmp_path: Path, text: str
) -> None:
    with pytest.raises(ValueError, match=" ") as theirs:
        kubernetes.audit(f"apiVersion: audit.k8s.io/v1\nkind: Policy\n{text}\n", {})
    with pytest.raises(ConfigError) as caught:
        policy_of(tmp_path, text)
    assert str(caught.value).removesuffix(f": from file {tmp_path / 'policy.yaml'}") == str(theirs.value)
