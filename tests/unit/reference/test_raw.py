"""The raw data of both sides: what a file holds, what the table says of it, and what is refused."""

from dataclasses import dataclass
from typing import Any

import pytest

from bench.load.report import ProcessUse
from bench.reference.both import without_plots
from bench.reference.kept import kept_files, read_entries, reference_rates
from bench.reference.raw import Entry, ProgramUsed, Raw, RawError, Side, decode, encode, rate, table
from tests.unit.load.loads import measurement, report

KUBERNETES = {
    "etcd": ProgramUsed("3.5.16"),
    "kube-apiserver": ProgramUsed("v1.37.2"),
    "kube-scheduler": ProgramUsed("v1.37.2"),
}


def told(*rates: float, **figures: float) -> list[dict[str, float]]:
    return [{"throughput": rate, **figures} for rate in rates]


def entry(**changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "workload": "MixedApps/300Apps", "when": "2026-11-23T10:00:00Z", "where": "", "commit": "abc", "fsync": True,
        "reference": Side(tls=True, programs=KUBERNETES, told=told(80, etcd_us=1863, apiserver_us=4369, scheduler_us=17321)),
        "vaina": Side(tls=False, told=told(1200, etcd_us=102, apiserver_us=256, scheduler_us=1045)),
    }  # fmt: skip
    return Entry(**{**fields, **changes})


def row(one: Entry) -> list[str]:
    return [cell.strip() for cell in table([one])[2].strip("| ").split(" | ")]


def source(one: Entry) -> str:
    return table([one])[-1]


def test_a_row_has_both_sides_and_says_of_what_it_is() -> None:
    assert row(entry()) == [
        "MixedApps/300Apps", "80", "1,200", "15", "1,863 / 4,369 / 17,321", "102 / 256 / 1,045", "1",
    ]  # fmt: skip
    assert source(entry()) == (
        "1. kube-apiserver and kube-scheduler v1.37.2; vaina abc; 2026-11-23T10:00:00Z; fsync; TLS there, none here"
    )


def test_rows_of_one_source_share_what_is_said_of_it() -> None:
    lines = table([entry(), entry(workload="b"), entry(workload="c", commit="def")])
    assert [line[-3] for line in lines[2:5]] == ["1", "1", "2"]
    assert len(lines) == 8


@dataclass(frozen=True)
class Case:
    name: str
    rates: tuple[float, ...]
    want: str


CASES = (
    Case("no run is a dash", (), "-"),
    Case("one run is its figure", (77.6,), "78"),
    Case("two runs are both ends", (453, 393), "393 to 453"),
    Case("runs that are all alike are their figure", (78, 78), "78"),
    Case("three runs are the median and both ends", (3000, 1000, 2000), "2,000 (1,000 to 3,000)"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_how_a_figure_is_told(case: Case) -> None:
    assert rate(Side(tls=True, told=told(*case.rates))) == case.want


def test_a_side_that_was_not_measured_has_dashes_and_no_factor() -> None:
    one = entry(vaina=None)
    assert row(one)[2:6] == ["-", "-", "1,863 / 4,369 / 17,321", "-"]
    assert source(one) == "1. kube-apiserver and kube-scheduler v1.37.2; 2026-11-23T10:00:00Z; fsync; TLS"


def test_what_is_not_known_is_not_made_up() -> None:
    one = entry(
        commit="", fsync=None, where="one machine", when="the day is not told", notes=["Told by others"]
    )
    assert source(one) == (
        "1. kube-apiserver and kube-scheduler v1.37.2; vaina's commit not told; the day is not told; one machine; TLS there, "
        "none here. Told by others"
    )


def test_words_of_a_file_are_no_mark_up_and_no_escapes() -> None:
    lines = table(
        [
            entry(
                workload="a|b\n<img src=x>",
                where="R&D\x1b[2J",
                notes=["one\n\n# two"],
                commit="<b>",
                when="<i>",
            )
        ]
    )
    assert lines[2].startswith("| a&#124;b &lt;img src=x&gt; | 80 | ")
    assert lines[-1] == (
        "1. kube-apiserver and kube-scheduler v1.37.2; vaina &lt;b&gt;; &lt;i&gt;; R&amp;D^[[2J; fsync; TLS there, none here. "
        "one  # two"
    )


def test_a_slower_side_is_told_in_tenths() -> None:
    assert row(entry(vaina=Side(tls=True, told=told(200))))[3] == "2.5"
    assert row(entry(vaina=Side(tls=True, told=told(40))))[3] == "0.5"


def test_figures_are_those_of_the_reports_where_there_are_any() -> None:
    uses = {
        name: ProcessUse(1.0, us, 2**20)
        for name, us in (("etcd", 10.0), ("apiserver", 20.0), ("scheduler", 30.0))
    }
    side = Side(tls=False, reports=[report(measurement(processes=uses))], told=told(1))
    one = entry(vaina=side, machine=report().machine)
    assert row(one)[2:6] == ["50; 100 Pods", "0.6", "1,863 / 4,369 / 17,321", "10 / 20 / 30"]
    assert "2026-11-23; 2 cores of CPU; fsync; TLS there" in source(one)
    assert source(one).endswith("Load of the machine before a run: 0.1 to 0.1")


def test_a_file_is_read_as_it_was_written() -> None:
    raw = Raw([entry(), entry(vaina=Side(tls=False, reports=[report()]), machine=report().machine)])
    assert decode(encode(raw)) == raw


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "no raw data"),
        (b'{"entries": [{"workload": 1}]}', "workload"),
        (b'{"entries": [], "format": "vaina-reference/9"}', "vaina-reference/9"),
        (encode(Raw([entry(vaina=Side(tls=False, reports=[report(measurements=[])]))])), "with 0 measurements, not one"),
        (encode(Raw([entry(vaina=Side(tls=False, reports=[report(measurements=[measurement()] * 2)]))])), "with 2 measurements, not one"),
    ],
)  # fmt: skip
def test_files_that_are_none(data: bytes, words: str) -> None:
    with pytest.raises(RawError, match=words):
        decode(data)


def test_what_plots_need_is_left_out_and_nothing_else() -> None:
    whole = report(measurement(bound_over_time=[(1.0, 2)]))
    plain = without_plots(whole)
    assert plain.measurements[0].latencies["create_to_bound"].distribution == []
    assert (
        plain.measurements[0].latencies["create_to_bound"].summary
        == whole.measurements[0].latencies["create_to_bound"].summary
    )
    assert plain.measurements[0].bound_over_time == []
    assert plain.measurements[0].windows == whole.measurements[0].windows


def test_the_figures_that_the_load_lab_began_with_are_kept() -> None:
    [mixed] = [one for one in read_entries(kept_files()[:1]) if one.workload == "MixedApps/300Apps"]
    assert row(mixed)[:6] == [
        "MixedApps/300Apps", "78", "1,102", "14", "1,863 / 4,369 / 17,321", "102 / 256 / 1,045",
    ]  # fmt: skip
    assert "v1.36.2" in source(mixed)
    assert reference_rates()["TopologySpreading/5000Nodes_5000Pods"]
