"""How smooth the page is: 5,000 Nodes and 50,000 Pods made up, in Debian's Chromium without a screen.

    python -m bench.page_drawing [--nodes 5000] [--pods 50000] [--changes 300]

There is no apiserver: the rows are made up, and so many of them change a second. What counts is how long the
browser takes from frame to frame while the picture rests, is moved, and is zoomed, and how long a drawing takes.
A browser without a graphics card draws by the processor, so a busy machine shows in the highest figures: read
the least and the median.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dashboard.cluster.selection import parse_selection
from dashboard.cluster.state import ClusterState
from dashboard.cluster.topic import ClusterTopic
from dashboard.live import Live
from dashboard.server import Pages, serve_page
from dashboard.session import Sessions
from dashboard.static_files import StaticFiles
from tests.support.browser import Tab, browser
from vaina.api.core.v1 import pod_pb2
from vaina.cache.list_watch import Apply, Replace
from vaina.clock import SystemClock
from vaina.pki.login import login_link
from vaina.testing.builders import make_node, make_pod, owner_ref

_SECRET = "the-secret-of-the-login-link-of-a-benchmark"
_TURN_SECONDS = 0.25
#: moves the picture for a while, and says how long it was from frame to frame
_MEASURE = """(async () => {
  const picture = document.querySelector('canvas').picture;
  const figures = (all) => {
    const sorted = [...all].sort((a, b) => a - b), at = (share) => sorted[Math.floor((sorted.length - 1) * share)];
    return {frames: sorted.length, least: at(0), p50: at(0.5), p95: at(0.95)};
  };
  async function frames(milliseconds, each) {
    const found = [];
    let last = performance.now();
    const end = last + milliseconds;
    while (last < end) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      found.push(now - last);
      last = now;
      each();
    }
    return figures(found);
  }
  const found = {};
  let turn = 0;
  found['frame to frame, at rest'] = await frames(5000, () => {});
  found['frame to frame, moved'] = await frames(3000, () => picture.pan(Math.sin(turn++ / 10) * 8, 0));
  found['frame to frame, zoomed'] = await frames(3000, () => picture.zoom(Math.sin(turn++ / 20) > 0 ? 1.03 : 0.97, 400, 300));
  picture.fit();
  await frames(300, () => {});
  picture.took.sharp.length = 0;
  for (let count = 0; count < 30; count += 1) { picture.redraw(); await frames(30, () => {}); }
  found['one drawing of everything'] = figures(picture.took.sharp);
  found['one drawing of what has changed'] = figures(picture.took.rooms);
  return JSON.stringify(found);
})()"""


class MadeUp:
    """A cluster out of nothing."""

    def __init__(self, nodes: int, pods: int) -> None:
        self.state = ClusterState()
        self._nodes, self._pods, self._rng = nodes, pods, random.Random(1)
        rooms, cells = self.state.new_nodes(), self.state.new_pods()
        for number in range(nodes):
            rooms[f"node-{number}"] = make_node(f"node-{number}", ready=number % 700 != 3)
        for number in range(pods):
            pod = self._pod(number)
            cells[_key(pod)] = pod
        self.state.on_nodes(Replace(rooms))
        self.state.on_pods(Replace(cells))

    def _pod(self, number: int) -> pod_pb2.Pod:
        return make_pod(
            f"web-7d9f8c6b5-{number:05x}", f"namespace-{number % 20}", node=f"node-{number % self._nodes}",
            phase="Failed" if self._rng.random() < 0.005 else "Running", ready=self._rng.random() < 0.97,
            requests={"cpu": f"{100 + 100 * (number % 4)}m", "memory": f"{128 + 128 * (number % 6)}Mi"},
            owner=owner_ref("ReplicaSet", f"web-{number % 1000}", "uid"),
        )  # fmt: skip

    async def change(self, each_second: int) -> None:
        """Change so many Pods a second, until cancelled."""
        clock = SystemClock()
        while True:
            count = int(each_second * _TURN_SECONDS)
            pods = [self._pod(self._rng.randrange(self._pods)) for _ in range(count)]
            self.state.on_pods(Apply([(_key(pod), pod, pod) for pod in pods]))
            await clock.sleep(_TURN_SECONDS)

    @asynccontextmanager
    async def use(self) -> AsyncIterator[ClusterState]:
        """Be followed, as the view's topic wants it."""
        yield self.state

    async def wait_refused(self) -> None:
        """Be shown for ever."""
        await asyncio.Event().wait()


def _key(pod: pod_pb2.Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


async def measure(tab: Tab, port: int, nodes: int) -> dict[str, Any]:
    """Open the page and return the figures, in milliseconds."""
    clock = SystemClock()
    begun = clock.monotonic()
    await tab.open(login_link(f"http://127.0.0.1:{port}", _SECRET))
    await tab.until_text(f"{nodes:,} Nodes", 120)
    print(f"everything is seen {clock.monotonic() - begun:.1f} s after the link was opened")
    parameters = {"expression": _MEASURE, "awaitPromise": True, "returnByValue": True}
    answer = await tab.devtools("Runtime.evaluate", parameters)
    found: dict[str, Any] = json.loads(answer["result"]["value"])
    return found


async def run(options: argparse.Namespace) -> None:
    """Serve a cluster that is made up, look at it, and print a table."""
    made, clock = MadeUp(options.nodes, options.pods), SystemClock()
    topics = {"cluster": lambda name: ClusterTopic(parse_selection(name), made)}
    with tempfile.TemporaryDirectory(prefix="vaina-page-") as folder:
        async with Live(topics, clock) as live, asyncio.TaskGroup() as group:
            pages = Pages(Sessions(_SECRET, 3600.0), StaticFiles(), live, {}, clock)
            changing = group.create_task(made.change(options.changes))
            async with (
                serve_page(pages, "127.0.0.1:0") as port,
                browser(Path(folder), width=1400, height=900) as tab,
            ):
                found = await measure(tab, port, options.nodes)
            changing.cancel()
    print(f"{'milliseconds':34}{'times':>7}{'least':>8}{'p50':>8}{'p95':>8}")
    for name, one in found.items():
        print(f"{name:34}{one['frames']:7}{one['least']:8.1f}{one['p50']:8.1f}{one['p95']:8.1f}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--pods", type=int, default=50_000)
    parser.add_argument("--changes", type=int, default=300, help="a second")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
