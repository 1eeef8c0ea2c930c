"""Texts that are small, or that anybody may send, and would cost far more than they are.

Every parser names its bound first.

Work is counted in calls of functions, not in time: a bound that is asked after the work costs as many calls
as the work.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.failures import Failure
from cli.printers import jsonpath
from cli.targets import parse_duration
from kubelet.eviction.signals import ThresholdError, parse_thresholds
from kubelet.sources import static_files
from scheduler.configuration.load import read_configuration
from vaina import config, durations
from vaina.errors import BadRequest, Invalid, TooLarge
from vaina.kinds import CONFIG_MAP
from vaina.objects import jobs, manifest, patching, quantity, schedules, selectors
from vaina.objects.tree import MAX_BYTES, TextError, parse_json
from vaina.objects.yaml_text import parse_yaml

DEEP = 100_000
MANY = 1_000_000
#: calls that a refusal may cost; the texts have a hundred thousand parts and more
CALLS = 60_000

DEEP_JSON = "[" * DEEP + "]" * DEEP
DEEP_MAP = '{"a":' * DEEP + "1" + "}" * DEEP
ALIASES = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)  # fmt: skip
LONG = "x" * (MAX_BYTES + 1)
COPIES = json.dumps(
    [{"op": "add", "path": "/data", "value": {"a": "x" * 1000}}]
    + [{"op": "copy", "from": "/data", "path": f"/data/b{number}"} for number in range(30)]
)
OPERATIONS = json.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10_001)


#: on a small stack: what calls itself once for each item of a list ends the process, not the call
LONG_LIST = """
import threading
from vaina.kinds import POD
from vaina.objects.strategic_merge import strategic_merge

names = [{"name": f"v{number}"} for number in range(20_000)]

def pod(env):
    return {"spec": {"containers": [{"name": "main", "env": env}]}}

def merge():
    merged = strategic_merge(POD, pod(names), pod(names[-1:]))
    print(merged["spec"]["containers"][0]["env"] == names)

threading.stack_size(256 * 1024)
thread = threading.Thread(target=merge)
thread.start()
thread.join()
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service's configuration."""

    listen: str = ""


def patch(kind_of_patch: str) -> Callable[[str], Any]:
    def apply(text: str) -> Any:
        read = patching.read_patch(CONFIG_MAP, kind_of_patch, text, lambda _: None)
        return patching.apply_patch(CONFIG_MAP, read, CONFIG_MAP.message(), lambda _: None)

    return apply


def static_pod(text: str) -> Any:
    return static_files.decode(text.encode(), path="/a.yaml", node_name="n1", now=0.0)


def label_message(text: str) -> Any:
    return jobs.parse_indexes_strictly(text, 10)


REFUSED: list[tuple[str, Callable[[str], Any], str, type[Exception], str]] = [
    ("JSON that is deep", parse_json, DEEP_JSON, TextError, "exceeded max depth"),
    ("JSON maps that are deep", parse_json, DEEP_MAP, TextError, "exceeded max depth"),
    ("JSON of many values", parse_json, "1 " * MANY, TextError, "5000"),
    ("YAML that is deep", parse_yaml, DEEP_JSON, TextError, "exceeded max depth"),
    ("YAML blocks that are deep", parse_yaml, "- " * DEEP, TextError, "exceeded max depth"),
    ("YAML aliases of aliases", parse_yaml, ALIASES, TextError, "excessive aliasing"),
    ("YAML of many documents", parse_yaml, "---\n" * MANY, TextError, "5000"),
    ("a manifest that is long", manifest.read_documents, LONG, TooLarge, str(MAX_BYTES)),
    ("a manifest of many documents", manifest.read_documents, "---\n" * 700_000, TooLarge, "5000"),
    ("a manifest of many JSON documents", manifest.read_documents, "{}" * MANY, TooLarge, "5000"),
    ("a manifest with aliases of aliases", manifest.read_documents, ALIASES, BadRequest, "excessive aliasing"),
    ("labels: a long selector", selectors.parse_label_selector, "a=b," * MANY, selectors.SelectorError, "65536"),
    ("fields: a long selector", selectors.parse_field_selector, "a=b," * MANY, selectors.SelectorError, "65536"),
    ("an amount of many digits", quantity.parse, "9" * MANY, quantity.QuantityError, "quantities must match"),
    ("an amount of a long exponent", quantity.parse, "1e" + "9" * MANY, quantity.QuantityError, "quantities must match"),
    ("a JSON patch that is deep", patch(patching.JSON_PATCH), DEEP_JSON, BadRequest, "exceeded max depth"),
    ("a JSON patch of many operations", patch(patching.JSON_PATCH), OPERATIONS, TooLarge, "10000, got 10001"),
    ("a JSON patch that doubles", patch(patching.JSON_PATCH), COPIES, Invalid, "rejected our request"),
    ("a merge patch that is deep", patch(patching.MERGE_PATCH), DEEP_MAP, BadRequest, "exceeded max depth"),
    ("a strategic patch that is deep", patch(patching.STRATEGIC_MERGE_PATCH), DEEP_MAP, BadRequest, "exceeded max depth"),
    ("jsonpath: a long template", lambda text: jsonpath.render(text, {}), "{.a}" * MANY, jsonpath.JsonPathError, "65536"),
    ("jsonpath: a long path", lambda text: jsonpath.values(text, {}), ".a" * MANY, jsonpath.JsonPathError, "65536"),
    ("jsonpath: ranges within ranges", lambda text: jsonpath.render(text, [1] * 10),
     "{range $[*]}" * 1000 + "x" + "{end}" * 1000, jsonpath.JsonPathError, "8 ranges"),
    ("jsonpath: an index of many digits", lambda text: jsonpath.render(text, [1]), f"{{[{'9' * 5000}]}}",
     jsonpath.JsonPathError, "cannot read"),
    ("a schedule of many digits", schedules.parse, f"{'9' * 5000} * * * *", schedules.ScheduleError, "value out of range"),
    ("a schedule of a long time", schedules.parse, f"@every {'9' * 400}h", schedules.ScheduleError, "invalid duration"),
    ("a schedule of a wide range", schedules.parse, f"0-{'9' * 18} * * * *", schedules.ScheduleError, "above maximum"),
    ("Go's duration of many digits", durations.parse_duration, f"{'9' * 400}h", ValueError, "invalid duration"),
    ("Go's duration of many parts", durations.parse_duration, "1000000h" * 100_000, ValueError, "invalid duration"),
    ("a duration on the command line", parse_duration, "9" * MANY, Failure, "64 characters"),
    ("eviction: an amount of many digits", parse_thresholds, f"memory.available<{'9' * 5000}",
     ThresholdError, "quantities must match"),
    ("eviction: a share of many digits", parse_thresholds, f"memory.available<{'9' * 400}%",
     ThresholdError, "<= 100%"),
    ("indexes of many digits", label_message, "9" * 5000, jobs.IndexesError, "index"),
    ("a static Pod's file that is deep", static_pod, DEEP_JSON, static_files.ManifestError, "exceeded max depth"),
    ("a static Pod's file of aliases", static_pod, ALIASES, static_files.ManifestError, "excessive aliasing"),
    ("a static Pod's file of many documents", static_pod, "---\n" * 700_000, static_files.ManifestError, "5000"),
    ("the scheduler's file that is long", read_configuration, LONG, config.ConfigError, str(MAX_BYTES)),
    ("the scheduler's file that is deep", read_configuration, DEEP_JSON, config.ConfigError, "exceeded max depth"),
    ("the scheduler's file of aliases", read_configuration, ALIASES, config.ConfigError, "excessive aliasing"),
]  # fmt: skip


def counted(call: Callable[[], Any], error: type[Exception] | None = None) -> int:
    """Return how many calls of Python functions it takes, with the error that it raises."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        if error is None:
            call()
        else:
            with pytest.raises(error):
                call()
    finally:
        sys.setprofile(before)
    return calls


class Searched(str):
    """A text that counts how often it is gone through from its beginning."""

    searches = 0

    def __contains__(self, part: str) -> bool:
        self.searches += 1
        return super().__contains__(part)


def test_a_text_of_many_values_is_gone_through_once():
    text = Searched("1 " * 100)
    assert len(parse_json(text)) == 100
    assert text.searches == 1


@pytest.mark.parametrize(
    ("parse", "text", "error", "words"), [pytest.param(*one[1:], id=one[0]) for one in REFUSED]
)
def test_a_bomb_is_refused_before_the_work(parse, text, error, words):
    with pytest.raises(error) as caught:
        parse(text)
    assert words in str(caught.value)
    assert counted(lambda: parse(text), error) < CALLS


@pytest.mark.parametrize(
    ("text", "words"),
    [(f"listen: {DEEP_JSON}", "exceeded max depth"), (ALIASES, "excessive aliasing"), (LONG, str(MAX_BYTES))],
    ids=["deep", "aliases", "long"],
)
def test_a_service_refuses_a_file_of_its_own_that_is_a_bomb(tmp_path: Path, text: str, words: str):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(config.ConfigError) as caught:
        config.load(Settings, argv=["--config", str(file)])
    assert words in str(caught.value)
    assert counted(lambda: config.load(Settings, argv=["--config", str(file)]), config.ConfigError) < CALLS


def test_what_a_status_says_in_many_digits_is_left_out():
    assert jobs.parse_indexes(f"0-2,{'9' * 5000},4-{'9' * 5000}", 10).intervals == ((0, 2),)


@pytest.mark.parametrize("text", ["1e99999999", "9" * 200 + "E", "1e-99999999", "9" * 19 + "Ei"])
def test_an_amount_with_a_huge_exponent_is_the_largest_or_next_to_none_at_little_cost(text):
    assert counted(lambda: quantity.parse(f"{text} ".strip())) < 100
    assert quantity.parse(text).nanos <= quantity.MAX_INT64 * 10**9 or text.endswith("E")


def test_a_patch_of_the_last_item_of_a_long_list_does_not_end_the_process():
    done = subprocess.run([sys.executable, "-c", LONG_LIST], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n")
