"""How well Pods lie on the nodes, and what Events cost.

Figures of a measurement that are read when it is over.
"""

import pytest

from bench.load.events import EventsWritten, dropped_since, rows, until_written, used
from bench.load.placement import NodeUse, Placement, Size
from bench.load.quality import METRICS, compute_quality, metrics_of, thinned
from bench.load.quality import rows as quality_rows
from bench.load.report import metrics_of as figures_of
from bench.load.report_text import table
from bench.load.scrape import Page, Usage
from bench.load.slo import parse_limits
from tests.unit.load.loads import measurement, report

GIB = 2**30


def use(cpu: int, memory: int, pods: int = 1, *, takes_pods: bool = True) -> NodeUse:
    """Return the use of a node that has 4 CPU, 8 GiB and room for 10 Pods."""
    return NodeUse(pods, cpu, memory * GIB, 10, 4000, 8 * GIB, takes_pods, movable=int(pods > 2))


PLACED = Placement(
    {"full": use(4000, 4, 4), "half": use(2000, 0, 2), "empty": use(0, 0, 0), "cordoned": use(1000, 1, takes_pods=False)},
    {}, [Size(1000, GIB)],
)  # fmt: skip


def test_nodes_are_told_by_what_is_asked_of_them_but_for_those_that_take_no_pods() -> None:
    found = compute_quality(PLACED)
    assert (found.nodes, found.used, found.needed) == (3, 2, 1)
    assert (found.cpu.average, found.cpu.p50, found.cpu.most) == (0.5, 0.5, 1.0)
    assert found.memory.curve == [0.0, 0.0, 0.5]
    # 100 % of CPU beside 50 % of memory, 50 % beside nothing.
    assert found.apart == 0.5
    # Two fit on the node that is half full, four on the empty one.
    assert (found.fits, found.whole, found.fragmentation) == (6, 6, 0.0)


def test_of_an_empty_cluster_there_is_nothing_to_tell() -> None:
    found = compute_quality(Placement({}, {}, []))
    assert (found.nodes, found.used, found.cpu.most, found.apart, found.fits) == (0, 0, 0.0, 0.0, 0)


def test_every_figure_can_be_limited_and_compared() -> None:
    figures = figures_of(measurement(quality=compute_quality(PLACED)))
    assert set(metrics_of(compute_quality(PLACED))) == set(METRICS)
    assert set(METRICS) <= set(figures)
    [limit] = parse_limits("cpu_use_p90<=0.9")
    assert not limit.holds(figures)


def test_a_curve_keeps_both_ends_and_is_bounded() -> None:
    found = thinned([float(number) for number in range(2000)], 50)
    assert (len(found), found[0], found[-1]) == (50, 0.0, 1999.0)
    assert thinned([1.0, 2.0]) == [1.0, 2.0]


def page(waiting: int, dropped: int = 0) -> Page:
    text = f'vaina_events_waiting{{component="s"}} {waiting}\nvaina_events_dropped_total{{component="s"}} {dropped}\n'
    return Page(text)


@pytest.mark.parametrize(
    ("found", "left"),
    [(page(0), 0), (page(7), 7), (Page(), None), (Page("scheduler_pending_pods 3\n"), None)],
)
async def test_the_wait_for_events_ends_when_none_waits_or_it_is_over(found: Page, left: int | None) -> None:
    async def read() -> Page:
        return found

    assert await until_written(read, lambda: 0.0, patience_seconds=0) == left


def test_what_was_dropped_is_counted_since_the_beginning() -> None:
    assert dropped_since(page(0, 5), page(0, 8)) == 3
    assert dropped_since(page(0, 5), page(0, 2)) == 2, "another process began to count"
    assert dropped_since(Page(), page(0, 2)) == 2


def test_cpu_is_what_was_used_since() -> None:
    assert used({"a": Usage(1.0, 5)}, {"a": Usage(3.5, 5), "new": Usage(2.0, 5)}) == {"a": 2.5, "new": 2.0}


def test_what_events_came_to_is_told_in_words_and_figures() -> None:
    events = EventsWritten(9.5, 0, 3, {"scheduler": 1.0}, {"scheduler": 1e4})
    assert (
        rows(events, 97, 100)[0][1]
        == "97 stored for 100 bound Pods; 3 dropped; none waited 9.5 s after the last binding"
    )
    assert "4 still waited" in rows(EventsWritten(30.0, 4, 0, {}, {}), None, 100)[0][1]
    one = measurement(events=events, events_waiting=50, scheduled_events=97)
    assert (figures_of(one)["scheduler_with_events_us"], figures_of(one)["events_dropped"]) == (1e4, 3)
    text = "\n".join(table(report(one)))
    assert "50 waited to be written when the last Pod was bound" in text
    assert "97 stored for 100 bound Pods" in text


def test_the_room_that_is_left_is_told_with_the_size_that_it_is_for() -> None:
    found = dict(quality_rows(compute_quality(PLACED)))
    assert found["room for the median Pod"] == "6 more (1,000m CPU, 1,024 MiB); 6 if it were in one piece"
    assert found["nodes with Pods"] == "2 of 3; 1 beside those of DaemonSets"
