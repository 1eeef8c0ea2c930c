"""What a load test tells of itself: written within bounds, and read from whoever may write a namespace."""

import json

import msgspec
import pytest

from tests.support.load_progress import make_progress
from vaina.objects.load_progress import (
    MAX_BYTES,
    Measured,
    ProgressError,
    decode_progress,
    encode_progress,
)


def test_what_was_written_is_read() -> None:
    progress = make_progress(bound=7)
    assert decode_progress(encode_progress(progress)) == progress


def test_of_many_measurements_the_newest_are_told_as_far_as_there_is_room() -> None:
    figures = {f"{'é' * 90}{number:02}": 1 / 3 for number in range(64)}
    measured = [Measured(f"m{number}", 1, 1, 0.0, 0, 1.0, figures) for number in range(9)]
    text = encode_progress(msgspec.structs.replace(make_progress(), measurements=measured))
    assert len(text.encode()) <= MAX_BYTES
    assert decode_progress(text).measurements == measured[-2:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bound": -1}, r"\$\.bound"),
        ({"bound": 10**30}, r"\$\.bound"),
        ({"seconds": 1e300}, r"\$\.seconds"),
        ({"state": "<script>"}, r"\$\.state"),
        ({"workload": "x" * 301}, r"\$\.workload"),
        ({"config": {str(number): "" for number in range(41)}}, r"\$\.config"),
        ({"config": {"key": "x" * MAX_BYTES}}, "more than 32 KiB"),
        ({"format": "vaina-load-progress/2"}, r"\$\.format"),
    ],
)
def test_what_no_run_writes_is_refused(change: dict[str, object], words: str) -> None:
    value = json.loads(encode_progress(make_progress())) | change
    with pytest.raises(ProgressError, match=words):
        decode_progress(json.dumps(value))


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", '{"a": ' * 20_000, '{"seconds": NaN}'])
def test_what_is_no_json_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ProgressError):
        decode_progress(text)
