"""What Tab offers at each place of a command line, and what shells hear of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.completion.grammar import build, load
from cli.completion.offers import WORDS, Offer, Offers, read_line
from cli.completion.shells import asked, written

GRAMMAR = build()
OBJECTS = {
    ("pods", ""): ["web-0", "web-1", "db"], ("pods", "other"): ["far"], ("nodes", ""): ["node-1", "node-2"],
    ("namespaces", ""): ["default", "other"], ("deployments", ""): ["shop"],
    ("certificatesigningrequests", ""): ["csr-1"], ("serviceaccounts", ""): ["builder"],
    ("roles", ""): ["$(reboot)", "--all", "a b", "*", "a;b", "a\nb", "a\tb", "`id`", "a,b\\", "", "system:x@y"],
}  # fmt: skip
CONTAINERS = {"web-0": ["app", "sidecar"]}
#: commands whose words nobody can know before they are typed
OWN_WORDS = {
    "run", "load clean", "load compare-configs", "load run", *(name for name in GRAMMAR["commands"] if name.startswith("create ") and name not in WORDS),
}  # fmt: skip


def offer(text: str) -> Offer:
    *before, typed = text.split(" ")
    names = Offers(
        GRAMMAR,
        lambda plural, namespace: OBJECTS.get((plural, namespace), []),
        lambda pod, _: CONTAINERS.get(pod, []),
    )
    return names.offer(read_line(GRAMMAR, before), typed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("desc", ("describe",)),
        ("get no", ("nodes",)),
        ("get pods web", ("web-0", "web-1")),
        ("get po web-0 d", ("db",)),
        ("get -o wide po w", ("web-0", "web-1")),
        ("get --output=wide po w", ("web-0", "web-1")),
        ("get pod/web", ("pod/web-0", "pod/web-1")),
        ("get csr ", ("csr-1",)),
        ("-n other get pods ", ("far",)),
        ("get pods -n other ", ("far",)),
        ("get pods -n ", ("default", "other")),
        ("get pods -n=o", ("-n=other",)),
        ("get pods --namespace=o", ("--namespace=other",)),
        ("logs w", ("web-0", "web-1")),
        ("logs web-0 ", ("app", "sidecar")),
        ("exec web-0 -c ", ("app", "sidecar")),
        ("logs pod/web-0 --container s", ("sidecar",)),
        ("exec web-0 -- ", ()),
        ("exec web-0 -- ls -", ()),
        ("drain ", ("node-1", "node-2")),
        ("taint nodes node-2 ", ("node-1", "node-2")),
        ("top nodes ", ("node-1", "node-2")),
        ("rollout re", ("restart", "resume")),
        ("rollout restart deploy", ("deployments",)),
        ("rollout restart deploy/", ("deploy/shop",)),
        ("certificate approve ", ("csr-1",)),
        ("create token ", ("builder",)),
        ("create sec", ("secret",)),
        ("completion ", ("bash", "fish", "zsh")),
        ("learn A1", ("A1",)),
        ("apply --dry-run=s", ("--dry-run=server",)),
        ("cp web-0", ("web-0:",)),
        ("get roles ", ("system:x@y",)),
        ("get role/", ("role/system:x@y",)),
        ("--kubeconfig far get po w", ("web-0", "web-1")),
        ("--kubeconfig=far logs web-0 ", ("app", "sidecar")),
        ("--kubeconfig far get no", ("nodes",)),
        ("get nothing ", ()),
        ("nothing ", ()),
        ("run ", ()),
    ],
)  # fmt: skip
def test_what_fits(text: str, words: Sequence[str]) -> None:
    assert offer(text).words == tuple(words)


@pytest.mark.parametrize("text", ["apply -f ex", "cp ./ex", "--kubeconfig ", "load import tr"])
def test_files_are_left_to_the_shell(text: str) -> None:
    assert offer(text).kind == "file"


def test_flags_are_offered_with_what_they_mean() -> None:
    found = offer("logs --fol")
    assert found.words == ("--follow",)
    assert found.helps["--follow"]


def test_each_command_with_words_has_a_place_in_the_table() -> None:
    assert WORDS.keys() <= GRAMMAR["commands"].keys()
    without = {
        path
        for path, command in GRAMMAR["commands"].items()
        if command["words"] and not command["below"] and path not in WORDS
    }
    assert without == {path for path in OWN_WORDS if GRAMMAR["commands"][path]["words"]}


def test_what_is_kept_is_what_was_made_until_the_command_changes(tmp_path: Path) -> None:
    file = tmp_path / "here" / "completion.json"
    first = load(file)
    assert first["commands"] == GRAMMAR["commands"]
    assert load(file) == first
    file.write_text("{}")
    assert load(file)["commands"] == GRAMMAR["commands"]
    assert load(Path("/proc/nowhere/completion.json"))["commands"] == GRAMMAR["commands"]


@pytest.mark.parametrize(
    ("shell", "environment", "want"),
    [
        ("bash", {"COMP_WORDS": "vaina get po web", "COMP_CWORD": "3"}, (["get", "po"], "web")),
        ("bash", {"COMP_WORDS": "vaina get ", "COMP_CWORD": "2"}, (["get"], "")),
        ("bash", {"COMP_WORDS": "vaina get 'a b", "COMP_CWORD": "2"}, (["get"], "a b")),
        ("zsh", {"COMP_WORDS": "vaina ge", "COMP_CWORD": "1"}, ([], "ge")),
        ("fish", {"COMP_WORDS": "vaina get po we", "COMP_CWORD": "we"}, (["get", "po"], "we")),
        ("fish", {"COMP_WORDS": "vaina get ", "COMP_CWORD": ""}, (["get"], "")),
    ],
)  # fmt: skip
def test_what_shells_say(shell: str, environment: dict[str, str], want: tuple[list[str], str]) -> None:
    assert asked(environment, shell) == want


def test_what_shells_hear() -> None:
    found = Offer(("get", "a:b"), helps={"get": "Show  objects.", "a:b": "Odd."})
    assert written(found, "bash") == "plain,get\nplain,a:b\n"
    assert written(found, "fish") == "plain,get\tShow objects.\nplain,a:b\tOdd.\n"
    assert written(found, "zsh") == "plain\nget\nShow objects.\nplain\na\\:b\nOdd.\n"
    assert written(Offer(("x",), "file"), "bash") == "file,x\n"
