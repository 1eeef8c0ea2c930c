"""EncryptionConfigurations: what they mean, and what is wrong with them in upstream's words."""

import base64
from pathlib import Path

import pytest

from apiserver.storage.encryption.config import transformers_of
from apiserver.storage.interface import Key
from apiserver.storage.keys import kind_prefix
from vaina.config import ConfigError
from vaina.kinds import CONFIG_MAP, DEPLOYMENT, KINDS, POD, SECRET

HEAD = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
SECRET_32 = base64.b64encode(bytes(range(32))).decode()
AESGCM = f"{{aesgcm: {{keys: [{{name: key1, secret: {SECRET_32}}}]}}}}"
PATH = Path("keys.yaml")


def read(text: str) -> dict[Key, object]:
    return dict(transformers_of(PATH, (HEAD + text).encode()))


def part(resources: str, providers: str) -> str:
    return f"- {{resources: [{resources}], providers: [{providers}]}}\n"


def of(*parts: str) -> str:
    return "resources:\n" + "".join(parts)


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value).removeprefix('file "keys.yaml": ')


@pytest.mark.parametrize(
    ("resources", "kinds"),
    [
        ("secrets", [SECRET]),
        ("secrets, configmaps", [SECRET, CONFIG_MAP]),
        ("deployments.apps", [DEPLOYMENT]),
        ("deployments", []),
        ("pandas.awesome.bears.example", []),
        ("'*.apps'", [kind for kind in KINDS if kind.group == "apps"]),
        ("'*.'", [kind for kind in KINDS if kind.group == ""]),
        ("'*.*'", list(KINDS)),
    ],
)
def test_resources_are_named_with_their_group_or_by_wildcards(resources: str, kinds: list[object]) -> None:
    wanted = {kind_prefix(kind) for kind in kinds}  # type: ignore[arg-type]  # of kinds
    assert set(read(of(part(resources, AESGCM)))) == wanted


def test_what_is_named_goes_before_what_a_wildcard_names() -> None:
    found = read(of(part("pods", "{identity: {}}"), part("'*.*'", AESGCM)))
    key = Key("/registry/pods/default/a")
    assert found[kind_prefix(POD)].write(key, b"k8s\x00") == b"k8s\x00"  # type: ignore[attr-defined]  # a Transformer
    assert found[kind_prefix(SECRET)].write(key, b"").startswith(b"k8s:enc:")  # type: ignore[attr-defined]  # as above


def test_the_providers_of_two_entries_for_one_resource_are_one_list() -> None:
    found = read(of(part("secrets", AESGCM), part("secrets", "{identity: {}}")))
    key = Key("/registry/secrets/default/a")
    assert found[kind_prefix(SECRET)].read(key, b"k8s\x00") == (b"k8s\x00", True)  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resources: []", "resources: Required value: at least one resources is required"),
        (of(part('', AESGCM)),
         "resources[0].resources: Required value: at least one resources[0].resources is required"),
        (of(part('secrets', '')),
         "resources[0].providers: Required value: at least one resources[0].providers is required"),
        (of(part('Secrets', AESGCM)),
         'resources[0].resources[0]: Invalid value: "Secrets": resource name should not contain capital letters'),
        (of(part("'*'", AESGCM)),
         'resources[0].resources[0]: Invalid value: "*": use \'*.\' to encrypt all the resources from core API group or *.* to encrypt all resources'),
        (of(part('serviceipallocations', AESGCM)),
         'resources[0].resources[0]: Invalid value: "serviceipallocations": resources which do not have REST API/s cannot be encrypted'),
        (of(part('events.events.k8s.io', AESGCM)),
         "resources[0].resources[0]: Invalid value: \"events.events.k8s.io\": '*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file"),
        (of(part('deployments.extensions', AESGCM)),
         "resources[0].resources[0]: Invalid value: \"deployments.extensions\": 'extensions' group has been removed and cannot be used for encryption"),
        (of(part("'secrets.*'", AESGCM)),
         'resources[0].resources[0]: Invalid value: "secrets.*": encrypting the same resource across groups is not supported'),
        (of(part('secrets, secrets', AESGCM)),
         'resources[0].resources: Invalid value: ["secrets","secrets"]: the same resource cannot be specified multiple times'),
        (of(part("secrets, '*.'", AESGCM)),
         "resources[0].resources: Invalid value: [\"secrets\",\"*.\"]: using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked"),
        (of(part("'*.*'", AESGCM), part('secrets', AESGCM)),
         'resource "secrets" is masked by earlier rule "*.*"'),
        (of(part("'*.'", AESGCM), part('secrets', AESGCM)),
         'resource "secrets" is masked by earlier rule "*."'),
        (of(part('secrets', '{}')),
         "resources[0].providers[0]: Invalid value: {}: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"),
        (of(part('secrets', AESGCM.replace('{aesgcm', '{identity: {}, aesgcm'))),
         'resources[0].providers[0]: Invalid value: "REDACTED": more than one provider specified in a single element, should split into different list elements'),
        (of(part('secrets', AESGCM.replace('aesgcm', 'aescbc'))),
         'resources[0].providers[0]: Invalid value: "aescbc": vaina has the providers aesgcm and identity'),
        (of(part('secrets', '{aesgcm: {keys: []}}')),
         "resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required"),
        (of(part('secrets', '{aesgcm: {keys: [{}]}}')),
         "[resources[0].providers[0].aesgcm.keys[0].name: Required value: name is a mandatory field for a key, "
         "resources[0].providers[0].aesgcm.keys[0].secret: Required value: secret is a mandatory field for a key]"),
        (of(part('secrets', '{aesgcm: {keys: [{name: a, secret: abc$}]}}')),
         'resources[0].providers[0].aesgcm.keys[0].secret: Invalid value: "REDACTED": secrets must be base64 encoded'),
        (of(part('secrets', '{aesgcm: {keys: [{name: a, secret: YWJj}]}}')),
         'resources[0].providers[0].aesgcm.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 3, expected one of [16 24 32]'),
        ("resourses: []", "Object contains unknown field `resourses`"),
        ("resources: []\nresources: []", "resources: duplicate field"),
    ],
)  # fmt: skip
def test_each_violation_is_told_in_upstreams_words(text: str, words: str) -> None:
    assert refused(text) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", 'file "keys.yaml" is empty'),
        (b"kind: Pod\napiVersion: v1\n", 'file "keys.yaml": apiVersion: apiserver.config.k8s.io/v1 and kind: EncryptionConfiguration are wanted'),
        (b"- 1", 'file "keys.yaml": one EncryptionConfiguration is wanted'),
    ],
)  # fmt: skip
def test_another_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        transformers_of(PATH, data)
    assert str(caught.value) == words
