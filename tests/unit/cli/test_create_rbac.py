"""`vaina create role` and its kin make what kubectl makes."""

import json
from typing import Any

import pytest

from tests.support.command import CommandLine


def made(*line: str) -> Any:
    done = CommandLine().run("create", *line, "--dry-run=client", "-o", "json")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def rule(verbs: str, group: str, resources: str, **more: Any) -> dict[str, Any]:
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split(), **more}


def test_a_role_has_a_rule_for_each_group() -> None:
    found = made(
        "role", "r", "--verb=get,list,get", "--verb=watch", "--resource=po,rs.apps,pods/log,rs.apps/scale"
    )
    assert (found["apiVersion"], found["kind"]) == ("rbac.authorization.k8s.io/v1", "Role")
    assert found["rules"] == [
        rule("get list watch", "", "pods pods/log"), rule("get list watch", "apps", "replicasets replicasets/scale"),
    ]  # fmt: skip
    named = made(
        "role",
        "r",
        "--verb=get",
        "--resource=pods",
        "--resource-name=a",
        "--resource-name=b",
        "--resource-name=a",
    )
    assert named["rules"] == [rule("get", "", "pods", resourceNames=["a", "b"])]
    assert made("role", "r", "--verb=get,*", "--resource=*")["rules"] == [rule("*", "", "*")]
    assert made("role", "r", "--verb=bind", "--resource=roles")["rules"][0]["apiGroups"] == [
        "rbac.authorization.k8s.io"
    ]
    assert made("role", "r", "--verb=impersonate", "--resource=users")["rules"] == [
        rule("impersonate", "", "users")
    ]


def test_a_cluster_role_may_be_about_urls_or_gather_others() -> None:
    found = made("clusterrole", "r", "--verb=get", "--non-resource-url=/version,/api/*", "--resource=nodes")
    assert found["rules"] == [
        rule("get", "", "nodes"), {"verbs": ["get"], "nonResourceURLs": ["/version", "/api/*"]},
    ]  # fmt: skip
    gathers = made("clusterrole", "r", "--aggregation-rule=a=b,c=d")
    assert gathers["aggregationRule"] == {"clusterRoleSelectors": [{"matchLabels": {"a": "b", "c": "d"}}]}


def test_bindings_name_users_groups_and_accounts() -> None:
    group = "rbac.authorization.k8s.io"
    found = made(
        "rolebinding",
        "b",
        "--clusterrole=view",
        "--user=jane",
        "--user=joe",
        "--group=dev",
        "--serviceaccount=ns:bot",
    )
    assert found["roleRef"] == {"apiGroup": group, "kind": "ClusterRole", "name": "view"}
    assert found["subjects"] == [
        {"kind": "User", "apiGroup": group, "name": "jane"}, {"kind": "User", "apiGroup": group, "name": "joe"},
        {"kind": "Group", "apiGroup": group, "name": "dev"}, {"kind": "ServiceAccount", "name": "bot", "namespace": "ns"},
    ]  # fmt: skip
    assert made("rolebinding", "b", "--role=r")["roleRef"]["kind"] == "Role"
    assert made("clusterrolebinding", "b", "--clusterrole=view", "--user=a")["kind"] == "ClusterRoleBinding"


def test_they_are_stored_and_described() -> None:
    vaina = CommandLine()
    done = vaina.run("create", "role", "r", "--verb=get", "--resource=pods")
    assert done.out == "role.rbac.authorization.k8s.io/r created\n"
    assert vaina.run("create", "rolebinding", "b", "--role=r", "--user=jane").code == 0
    assert "  pods       []                 []              [get]\n" in vaina.run("describe", "role", "r").out
    assert vaina.run("get", "rolebindings", "-o", "wide").out.splitlines()[1].split() == [
        "b",
        "Role/r",
        "0s",
        "jane",
    ]


WRONG = [
    ("role r --resource=pods", "at least one verb must be specified"),
    ("role r --verb=get", "at least one resource must be specified"),
    ("role r --verb=get --resource=bogus", 'the server doesn\'t have a resource type "bogus"'),
    ("role r --verb=get --resource=a.b.c", 'the server doesn\'t have a resource type "a" in group "b.c"'),
    ("role r --verb=get --resource=/log", "resource must be specified if apiGroup/subresource specified"),
    ("role r --verb=bind --resource=pods", "can not perform 'bind' on 'pods' in group ''"),
    ("clusterrole r --verb=get", "one of resource or nonResourceURL must be specified"),
    ("clusterrole r --verb=list --non-resource-url=/a", "invalid verb: 'list' for nonResourceURL"),
    ("clusterrole r --verb=get --non-resource-url=a", "nonResourceURL should start with /"),
    (
        "clusterrole r --verb=get --non-resource-url=/a*/b",
        "nonResourceURL only supports wildcard matches when '*' is at the end",
    ),
    (
        "clusterrole r --verb=get --aggregation-rule=a=b",
        "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames",
    ),
    ("rolebinding b", "exactly one of clusterrole or role must be specified"),
    ("rolebinding b --role=a --clusterrole=b", "exactly one of clusterrole or role must be specified"),
    ("rolebinding b --role=a --serviceaccount=bot", "serviceaccount must be <namespace>:<name>"),
    ("clusterrolebinding b", 'required flag(s) "clusterrole" not set'),
]


@pytest.mark.parametrize(("line", "words"), WRONG)
def test_wrong_words_are_told(line: str, words: str) -> None:
    done = CommandLine().run("create", *line.split())
    assert (done.code, done.err) == (1, f"error: {words}\n")


def test_an_odd_verb_is_warned_of() -> None:
    done = CommandLine().run("create", "role", "r", "--verb=fly", "--resource=pods")
    assert (done.code, done.err) == (0, "Warning: 'fly' is not a standard resource verb\n")
