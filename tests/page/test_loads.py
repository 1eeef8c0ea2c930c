"""Load tests in a browser: one while it runs, two side by side afterwards, reports from files."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.load.report import Report, encode, metrics_of
from tests.support.axe import missed
from tests.support.browser import Tab
from tests.support.shown_loads import ran
from tests.support.shown_page import Shown
from vaina.client.clientset import Clientset

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

WORKLOAD = """
- name: FewPods
  workloadTemplate:
  - {opcode: createPods, count: 2}
  - {opcode: createPods, countParam: $measured, collectMetrics: true}
  workloads: [{name: RealNodes, params: {measured: 8}}]
"""
HOSTILE = '<img src=x onerror="document.title=1">\u202e'
_FIGURES = """
const file = arguments[0];
return import('/static/loads/report.js').then(({readFile}) => [...readFile(file, 'x')[0].measurements[0].figures]);
"""
_ROW = "return [...document.querySelectorAll('#loads-beside .{table} tr')].map((one) => one.innerText).find((one) => one.startsWith({name!r}))"
_DRAWN = "return [...document.querySelectorAll('#loads-beside .plot path')].every((one) => one.getAttribute('d').includes('L'))"


async def test_a_load_test_is_seen_while_it_runs_and_beside_another_afterwards(
    tab: Tab, shown: Shown, admin: Clientset, tmp_path: Path
) -> None:
    workload = tmp_path / "w.yaml"
    workload.write_text(WORKLOAD)
    first = await ran(shown.plane, admin, workload, "load-first")
    await tab.open(shown.link("/scheduler"))
    # One that has ended is no more than a link here.
    await tab.until_text("No load test runs.")

    async with asyncio.TaskGroup() as group:
        group.create_task(ran(shown.plane, admin, workload, "load-second", create="batch"))
        await tab.until_text("FewPods/RealNodes: running")
        await tab.until_text("8 of 8")
        await tab.until_text("FewPods/RealNodes: ended.")
        numbers = (await tab.text("#load-numbers tbody")).split("\t")
        assert numbers[:5] == ["10", "10", "10", "10", "0"]
        # A run is a link, and what was seen of it stays when all that it made is gone.
        await tab.click("#load-heading a")
        await tab.until_text("Load test load-second")
    await tab.reload()
    await tab.until_text("FewPods/RealNodes: ended.")
    assert "L" in await tab.run("return document.querySelector('#load-live .plot path').getAttribute('d')")
    assert await missed(tab) == []

    await tab.open(shown.url + "/loads?a=load-first&b=load-second")
    await tab.until("return document.querySelectorAll('#loads-beside .loads-figures tbody tr').length > 3")
    assert "unary" not in await tab.text("#loads-legend")
    row: str = await tab.run(_ROW.format(table="loads-config", name="creation"))
    assert row.split("\t")[1:] == [
        first.how["creation"],
        "in batches while measured (100 a call, 4 in flight)",
    ]
    bound = metrics_of(first.measurements[0])["create_to_bound_p50"] * 1000
    row = await tab.run(_ROW.format(table="loads-figures", name="created until bound, p50"))
    assert float(row.split("\t")[1].removesuffix(" ms")) == pytest.approx(bound, abs=0.6)
    assert await tab.run(_DRAWN)
    assert await missed(tab) == []
    await reports(tab, first, tmp_path)


async def reports(tab: Tab, report: Report, tmp_path: Path) -> None:
    """Open files in the browser: they are read there, whatever stands in them."""
    good, hostile, none = tmp_path / "good.json", tmp_path / "hostile.json", tmp_path / "none.json"
    good.write_bytes(encode(report))
    value = json.loads(good.read_bytes())
    value |= {"run": HOSTILE, "workload": HOSTILE, "params": {HOSTILE: 1, "__proto__": {}}, "how": [None]}
    value["measurements"][0] |= {
        "name": HOSTILE,
        "windows": [{}, 7],
        "bound_over_time": [[0, 0], [5, 8], "x"],
    }
    hostile.write_text(json.dumps(value))
    none.write_text('{"format": "vaina-load/1"}')
    await tab.type("#loads-files", f"{good}\n{hostile}\n{none}")
    await tab.until_text("none.json is no report of a load test.")
    await tab.until_text("hostile.json (<img src=x onerror=")
    assert await tab.run("return document.querySelectorAll('img').length") == 0
    assert "\u202e" not in await tab.text()
    await tab.until_text("The workloads differ")
    # What the browser reads of a report is what the command says of it.
    read = dict(await tab.run(_FIGURES, good.read_text()))
    said = metrics_of(report.measurements[0])
    assert read.keys() <= said.keys()
    assert {name: said[name] for name in read} == pytest.approx(read)
    # The address says what the page has seen; a file is nowhere but in the browser.
    assert await tab.run("return location.search") == ""
