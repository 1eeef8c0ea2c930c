"""Small readers of the command line, and the process around the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.failures import Failure
from cli.targets import find_kind, parse_duration, parse_kinds, parse_pod, parse_targets
from cli.terminal import colours_wanted

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("5", 5),
        ("5s", 5),
        ("1.5s", 1.5),
        ("2m", 120),
        ("1h30m", 5400),
        ("300ms", 0.3),
        ("1m5s", 65),
        ("", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["x", "5x", "s", "1m5", "1..5s", "-5s", "5 s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(Failure, match=r"^time: .* duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "word",
    [
        "rs",
        "replicaset",
        "replicasets",
        "ReplicaSet",
        "replicasets.apps",
        "replicaset.apps",
        "rs.apps",
        "rs.v1.apps",
    ],
)
def test_a_kind_has_many_names(word: str) -> None:
    assert find_kind(word).kind == "ReplicaSet"


def test_kinds_and_targets() -> None:
    found = [kind.kind for kind in parse_kinds("all,po,cm")]
    assert found[0] == "Pod"
    assert found[-1] == "ConfigMap"
    assert {"ReplicationController", "ReplicaSet"} < set(found)
    assert len(found) == len(set(found))
    assert [(t.kind.kind, t.name) for t in parse_targets(["po,rs", "a", "b"], "get")] == [
        ("Pod", "a"), ("Pod", "b"), ("ReplicaSet", "a"), ("ReplicaSet", "b"),
    ]  # fmt: skip
    assert parse_pod("pod/a") == parse_pod("a") == "a"
    for word in ("rs.batch", "nothing", ""):
        with pytest.raises(Failure):
            find_kind(word)


@pytest.mark.parametrize(
    ("terminal", "environment", "wanted"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals(terminal: bool, environment: dict[str, str], wanted: bool) -> None:
    assert colours_wanted(terminal, environment) is wanted


def vaina(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )


def test_the_process_is_quiet_in_a_pipe_and_has_exit_codes() -> None:
    good = vaina("api-resources")
    assert (good.returncode, good.stderr) == (0, "")
    assert "\x1b" not in good.stdout
    bad = vaina("get", "nothing", "-s", "127.0.0.1:1")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == 'error: the server doesn\'t have a resource type "nothing"\n'


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    ended = subprocess.run(
        f"{sys.executable} -m cli api-resources | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert ended.stdout.startswith("NAME ")
    assert ended.stderr == ""
