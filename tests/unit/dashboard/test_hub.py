"""Who gets which frames: everybody a snapshot and then what is new, nobody half of it, all within bounds."""

import json
from typing import Any

import pytest

from dashboard import hub as hubs
from dashboard.hub import Hub, Listener
from vaina.errors import TooLarge, TooManyRequests, Unavailable


class Log:
    """A topic that grows: what is new are the lines since the last look."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._told = 0

    def snapshot(self) -> Any:
        return [*self.lines]

    def changes(self) -> Any:
        new, self._told = self.lines[self._told :], len(self.lines)
        return new or None


def read(listener: Listener) -> list[dict[str, Any]]:
    """Take all that waits for a listener."""
    found: list[dict[str, Any]] = []
    while (frame := listener.take()) is not None:
        found.append(json.loads(frame))
    return found


def connected(hub: Hub, *topics: str) -> Listener:
    listener = hub.connect()
    for name in topics:
        hub.subscribe(listener, name)
    return listener


def test_everybody_gets_a_snapshot_and_then_what_is_new() -> None:
    hub, log = Hub(), Log()
    first = connected(hub, "log")
    log.lines.append("a")
    assert hub.flush("log", log) == {first}
    log.lines.append("b")
    second = connected(hub, "log")
    assert hub.flush("log", log) == {first, second}
    log.lines.append("c")
    hub.flush("log", log)
    assert read(first) == [
        {"topic": "log", "snapshot": ["a"]},
        {"topic": "log", "changes": ["b"]},
        {"topic": "log", "changes": ["c"]},
    ]
    assert read(second) == [{"topic": "log", "snapshot": ["a", "b"]}, {"topic": "log", "changes": ["c"]}]


def test_a_frame_is_encoded_once_for_all() -> None:
    hub, log = Hub(), Log()
    listeners = [connected(hub, "log") for _ in range(20)]
    hub.flush("log", log)
    log.lines.append("a")
    hub.flush("log", log)
    frames = {id(listener.queue[-1]) for listener in listeners}
    assert (len(frames), hub.frames) == (1, 2)


def test_who_comes_while_nothing_is_new_gets_the_snapshot_that_others_got() -> None:
    hub, log = Hub(), Log()
    first = connected(hub, "log")
    log.lines.append("a")
    hub.flush("log", log)
    # What is new in between comes with the next frame, to everybody.
    log.lines.append("b")
    second = connected(hub, "log")
    assert hub.share("log") == {second}
    assert first.queue[-1] is second.queue[-1]
    hub.flush("log", log)
    third = connected(hub, "log")
    assert hub.share("log") == set()
    hub.flush("log", log)
    assert read(second) == [{"topic": "log", "snapshot": ["a"]}, {"topic": "log", "changes": ["b"]}]
    assert read(third) == [{"topic": "log", "snapshot": ["a", "b"]}]
    for listener in (first, second, third):
        hub.disconnect(listener)
    connected(hub, "log")
    assert hub.share("log") == set()


def test_snapshots_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_KEPT_BYTES", 100)
    hub, kept = Hub(), 0
    for number in range(5):
        log = Log()
        connected(hub, f"log/{number}")
        log.lines.append("a" * 40)
        hub.flush(f"log/{number}", log)
        connected(hub, f"log/{number}")
        kept += bool(hub.share(f"log/{number}"))
    assert kept == 1


def test_where_nothing_is_new_nothing_is_sent() -> None:
    hub, log = Hub(), Log()
    listener = connected(hub, "log")
    hub.flush("log", log)
    read(listener)
    assert hub.flush("log", log) == set()


def test_one_that_does_not_keep_up_gets_a_fresh_snapshot_and_holds_up_nobody() -> None:
    hub, log = Hub(), Log()
    slow, quick = connected(hub, "log"), connected(hub, "log")
    hub.flush("log", log)
    count = hubs.MAX_QUEUED_FRAMES + 10
    seen: list[str] = []
    for number in range(count):
        log.lines.append(str(number))
        hub.flush("log", log)
        for frame in read(quick):
            seen += frame.get("changes", [])
        assert len(slow.queue) <= hubs.MAX_QUEUED_FRAMES
    assert seen == [str(number) for number in range(count)]
    read(slow)
    assert slow.waits_for == ["log"]
    hub.flush("log", log)
    assert read(slow) == [{"topic": "log", "snapshot": [str(number) for number in range(count)]}]
    assert hub.dropped == 1


def test_bytes_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_QUEUED_BYTES", 100)
    hub, log = Hub(), Log()
    slow = connected(hub, "log")
    hub.flush("log", log)
    log.lines.append("x" * 60)
    hub.flush("log", log)
    log.lines.append("y" * 60)
    hub.flush("log", log)
    assert sum(map(len, slow.queue)) <= 100
    assert slow.waits_for == ["log"]


def test_a_snapshot_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_FRAME_BYTES", 100)
    hub, log = Hub(), Log()
    listener = connected(hub, "log")
    log.lines.append("x" * 200)
    with pytest.raises(TooLarge):
        hub.flush("log", log)
    assert read(listener) == []


def test_who_loses_all_by_one_frame_that_is_too_large_is_told_to_come_for_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "MAX_QUEUED_BYTES", 100)
    hub, log = Hub(), Log()
    listener = connected(hub, "log")
    hub.flush("log", log)
    read(listener)
    log.lines.append("x" * 200)
    # Nothing waits for it, so nothing else would wake it.
    assert hub.flush("log", log) == {listener}


def test_a_failure_reaches_even_a_full_queue() -> None:
    hub, log = Hub(), Log()
    slow = connected(hub, "log")
    hub.flush("log", log)
    for number in range(hubs.MAX_QUEUED_FRAMES - 1):
        log.lines.append(str(number))
        hub.flush("log", log)
    hub.fail("log", Unavailable("away"))
    assert read(slow)[-1]["error"]["message"] == "away"
    assert slow.topics == {}


def test_a_topic_is_opened_for_the_first_and_closed_after_the_last() -> None:
    hub = Hub()
    first, second = hub.connect(), hub.connect()
    assert [hub.subscribe(one, "log") for one in (first, second, first)] == [True, False, False]
    assert hub.unsubscribe(first, "log") is False
    assert hub.unsubscribe(first, "log") is False
    assert hub.disconnect(second) == ["log"]
    assert hub.listeners == {first}


def test_connections_topics_and_names_are_bounded() -> None:
    hub = Hub()
    listeners = [hub.connect() for _ in range(hubs.MAX_LISTENERS)]
    with pytest.raises(TooManyRequests):
        hub.connect()
    with pytest.raises(TooLarge):
        hub.subscribe(listeners[0], "x" * (hubs.MAX_NAME_LETTERS + 1))
    for number in range(hubs.MAX_SUBSCRIPTIONS):
        hub.subscribe(listeners[0], f"0/{number}")
    with pytest.raises(TooManyRequests):
        hub.subscribe(listeners[0], "more")
    for place in range(1, hubs.MAX_TOPICS // hubs.MAX_SUBSCRIPTIONS):
        for number in range(hubs.MAX_SUBSCRIPTIONS):
            hub.subscribe(listeners[place], f"{place}/{number}")
    with pytest.raises(TooManyRequests):
        hub.subscribe(listeners[-1], "more")
    assert hub.subscribe(listeners[-1], "0/0") is False
