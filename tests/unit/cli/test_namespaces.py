"""Which namespace objects go into: their own, the flag's, or the default one.

And what the command says when two disagree.
"""

import pytest

from tests.support.command import CommandLine
from vaina.testing.builders import make_namespace

IN_B = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: b}\n"
NOWHERE = IN_B.replace(", namespace: b", "").replace("one", "two")
REFUSED = (
    'error: the namespace from the provided object "b" does not match the namespace "a". '
    "You must pass '--namespace=b' to perform this operation.\n"
)


@pytest.fixture
def vaina() -> CommandLine:
    line = CommandLine()
    for name in ("a", "b"):
        line.do(lambda clients, name=name: clients.namespaces.create(make_namespace(name)))
    return line


@pytest.mark.parametrize("verb", ["apply", "create", "replace", "delete"])
@pytest.mark.parametrize("before", [False, True], ids=["after-the-verb", "before-the-verb"])
def test_an_object_of_another_namespace_is_refused_and_the_others_are_not(
    vaina: CommandLine, verb: str, before: bool
) -> None:
    if verb in ("replace", "delete"):
        vaina.run("apply", "-f", "-", stdin=f"{IN_B}---\n{NOWHERE.replace('two', 'two, namespace: a')}")
    flags = [verb, "-f", "-"]
    words = ["-n", "a", *flags] if before else [*flags, "-n", "a"]
    result = vaina.run(*words, stdin=f"{IN_B}---\n{NOWHERE}")
    assert (result.code, result.err) == (1, REFUSED)
    assert "two" in result.out
    assert "one" not in result.out
    left = vaina.run(
        "get", "cm", "-A", "-o", "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}"
    ).out
    assert (
        left == {"apply": "a/two ", "create": "a/two ", "replace": "a/two b/one ", "delete": "b/one "}[verb]
    )


def test_diff_and_fit_refuse_it_too(vaina: CommandLine) -> None:
    result = vaina.run("diff", "-n", "a", "-f", "-", stdin=IN_B)
    assert (result.code, result.out, result.err) == (2, "", REFUSED)
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: one, namespace: b}\n"
    pod += "spec: {containers: [{name: c, image: i}]}\n"
    assert vaina.run("fit", "-n", "a", "-f", "-", stdin=pod).err == REFUSED


def test_what_else_is_wrong_is_told_beside_it(vaina: CommandLine) -> None:
    wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three}\ndate: {}\n"
    result = vaina.run("apply", "-n", "a", "-f", "-", stdin=f"{IN_B}---\n{wrong}---\n{NOWHERE}")
    assert (result.code, result.out) == (1, "configmap/two created\n")
    assert result.err.startswith(REFUSED)
    assert 'unknown field "date"' in result.err


def test_the_same_namespace_and_none_are_no_reason(vaina: CommandLine) -> None:
    result = vaina.run("apply", "-n", "b", "-f", "-", stdin=f"{IN_B}---\n{NOWHERE}")
    assert (result.code, result.out) == (0, "configmap/one created\nconfigmap/two created\n")
    # A default that no flag gave is none that objects have to be in.
    assert vaina.run("replace", "-f", "-", stdin=IN_B).out == "configmap/one replaced\n"
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: c}\n"
    assert vaina.run("apply", "-n", "a", "-f", "-", stdin=space).out == "namespace/c created\n"


@pytest.mark.parametrize(
    "words",
    [
        ("create", "configmap", "x"), ("create", "secret", "generic", "x"),
        ("create", "deployment", "x", "--image", "i"),
        ("create", "job", "x", "--image", "i"),
        ("create", "cronjob", "x", "--image", "i", "--schedule", "@daily"),
        ("create", "quota", "x"),
        ("create", "poddisruptionbudget", "x", "--selector", "a=b", "--min-available", "1"),
        ("run", "x", "--image", "i"), ("autoscale", "deployment/web", "--max", "2"),
        ("create", "job", "x", "--from", "cronjob/tick"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_only_shown_names_no_namespace_that_nobody_gave(
    vaina: CommandLine, words: tuple[str, ...]
) -> None:
    vaina.run("create", "deployment", "web", "--image", "i")
    vaina.run("create", "cronjob", "tick", "--image", "i", "--schedule", "@daily")
    shown = vaina.run(*words, "--dry-run=client", "-o", "yaml")
    assert shown.code == 0, shown.err
    assert "namespace:" not in shown.out
    for place in ("default", "b"):
        vaina.run("create", "deployment", "web", "--image", "i", "-n", place)
        vaina.run("create", "cronjob", "tick", "--image", "i", "--schedule", "@daily", "-n", place)
        assert (
            f"  namespace: {place}\n" in vaina.run(*words, "-n", place, "--dry-run=client", "-o", "yaml").out
        )
    assert "  namespace: default\n" in vaina.run(*words, "--dry-run=server", "-o", "yaml").out


def test_a_manifest_of_a_file_is_shown_where_it_would_go(vaina: CommandLine) -> None:
    """As kubectl's builder does, which sets the namespace of what it reads."""
    for verb in ("create", "apply"):
        shown = vaina.run(verb, "-f", "-", "--dry-run=client", "-o", "yaml", stdin=NOWHERE)
        assert "  namespace: default\n" in shown.out
