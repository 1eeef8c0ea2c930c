"""Takes the pictures of docs/pictures: `make screenshots`.

Each view of the page as Debian's Chromium shows it, over a small cluster that is made up (pictures.yaml) and run
by a real etcd, apiserver, scheduler and controllers, and by kubelets that run nothing. They look alike each
time; names that are drawn, times and ports differ. Look at what was taken before you commit it.
"""

import asyncio
import base64
import ctypes
import os
import socket
import struct
import sys
import tempfile
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.support.browser import Tab, browser
from tests.support.identities import ADMIN
from tests.support.secured import Plane, apply
from tests.support.shown_loads import ran
from tests.support.shown_page import Shown
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock

HERE: Final = Path(__file__).parent
FOLDER: Final = HERE.parents[1] / "docs" / "pictures"
NODES: Final = tuple(f"node-{number}" for number in range(1, 15))
WITH_DISK: Final = ("node-6", "node-11")
KUBELET: Final = (
    "--hollow-stages=run_sandbox=0.2,start_container=0.1", "--capacity-cpu=8", "--capacity-memory=32Gi",
)  # fmt: skip
#: of one, and of all
MAX_BYTES, MAX_ALL_BYTES = 150_000, 1_000_000
#: Pods that run for good, beside one on every node
RUNNING = 58
WIDE, READING, PHONE = 1200, 860, 390
#: a page that is longer is cut
MAX_HEIGHT = 1800
_CLONE_NEWUTS = 0x04000000

#: more than there is room for: some wait until others have ended
_RENDER = """
apiVersion: batch/v1
kind: Job
metadata: {name: render, namespace: batch}
spec:
  completions: 50
  parallelism: 50
  ttlSecondsAfterFinished: 1
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: render, image: render, command: ["sleep", "4"], resources: {requests: {cpu: "3", memory: 1Gi}}}
"""
_TRAIN = """
apiVersion: v1
kind: Pod
metadata: {name: train, namespace: analytics}
spec:
  nodeSelector: {disk: ssd}
  containers: [{name: train, image: train, resources: {requests: {cpu: "6", memory: 20Gi}}}]
"""

#: small Pods beside those that are there
_LOAD = """
- name: SmallPods
  workloadTemplate:
  - {opcode: createPods, count: 100}
  - {opcode: createPods, countParam: $measured, collectMetrics: true}
  workloads: [{name: 14Nodes, params: {measured: 250}}]
"""

#: where an element ends
_BOTTOM = "return Math.ceil(document.querySelector(arguments[0]).getBoundingClientRect().bottom + scrollY)"
#: of a picture in PNG: its pixels as indices of its 256 commonest colours; others become the nearest of these
_INDEXED = """
const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
const base64 = (data) => {
  let text = '';
  for (let at = 0; at < data.length; at += 32768) text += String.fromCharCode(...data.subarray(at, at + 32768));
  return btoa(text);
};
return createImageBitmap(new Blob([bytes], { type: 'image/png' })).then((image) => {
  const { width, height } = image, context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(image, 0, 0);
  const colours = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer), counts = new Map();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const all = [...counts].sort((one, other) => other[1] - one[1]).map(([colour]) => colour), kept = all.slice(0, 256);
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const far = (one, other) => parts(one).reduce((sum, part, at) => sum + (part - parts(other)[at]) ** 2, 0);
  const places = new Map(all.map((colour, at) => [colour, at < 256 ? at : kept.reduce((best, one, place) =>
    (far(colour, one) < far(colour, kept[best]) ? place : best), 0)]));
  return { width, height, palette: base64(Uint8Array.from(kept.flatMap(parts))),
    pixels: base64(Uint8Array.from(colours, (colour) => places.get(colour))) };
});
"""


def indexed_png(width: int, height: int, palette: bytes, pixels: bytes) -> bytes:
    """Return a PNG of pixels that are indices of a palette: less than half of what a browser writes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    packed = zlib.compress(rows, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"PLTE", palette)
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


class Camera:
    """Takes pictures of one browser into a folder."""

    def __init__(self, tab: Tab, shown: Shown) -> None:
        self.tab, self._shown = tab, shown

    async def open(self, path: str, *, width: int = WIDE, height: int = 800, scheme: str = "light") -> None:
        """Show a view in a window of a size (CSS pixels), in a colour scheme."""
        await self.tab.resize(width, height)
        await self.tab.devtools("Emulation.setScrollbarsHidden", {"hidden": True})
        await self.tab.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        await self.tab.open(self._shown.link(path))
        await self.tab.until("return document.getElementById('connection').dataset.state === 'live'")

    async def take(
        self, name: str, *, width: int = WIDE, height: int | None = None, through: str = ""
    ) -> None:
        """Take the whole page, or as much of it as a height has, or what goes through an element."""
        whole = await self.tab.run(_BOTTOM, through or "html")
        await self.tab.resize(width, height or min(whole, MAX_HEIGHT))
        await self.tab.run("document.activeElement?.blur(); scrollTo(0, 0)")
        # What changes with the size is drawn in the frame after the next one.
        await self.tab.run(
            "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
        )
        path = FOLDER / f"{name}.png"
        await self.tab.screenshot(path)
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        seen = await self.tab.run(_INDEXED, data)
        path.write_bytes(
            indexed_png(
                seen["width"], seen["height"], *map(base64.b64decode, (seen["palette"], seen["pixels"]))
            )
        )


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 120.0) -> None:
    """Wait until something holds. Raises TimeoutError."""
    clock = SystemClock()
    async with asyncio.timeout(seconds):
        while not await holds():
            await clock.sleep(0.2)


async def fill(admin: Clientset) -> None:
    """Make the cluster what the pictures show, and wait for it."""
    for name in WITH_DISK:
        node = await admin.nodes.get(name)
        node.metadata.labels["disk"] = "ssd"
        await admin.nodes.update(node)
    await apply(admin, (HERE / "pictures.yaml").read_text())

    async def is_settled() -> bool:
        pods = (await admin.pods.list()).items
        running = sum(pod.status.phase == "Running" for pod in pods)
        restarts = sum(one.restart_count for pod in pods for one in pod.status.container_statuses)
        return running >= len(NODES) + RUNNING and restarts >= 2

    await until(is_settled)


async def take_all(camera: Camera, admin: Clientset) -> None:
    """Take every view."""
    tab = camera.tab
    await fill(admin)

    await camera.open("/scheduler")
    await tab.until_text("leads and decides")
    await apply(admin, _RENDER)
    await apply(admin, _TRAIN)
    await until(lambda: _has_no(admin, "batch", "render"))
    await tab.type("#explain-pod", "analytics/train", "Enter")
    await tab.until_text(f"0 of {len(NODES)} nodes would take it now.")
    await camera.take("scheduler", through="#scheduler-decisions tbody tr:nth-child(6)")

    await camera.open("/machinery")
    await tab.until_text("streams are open at this apiserver")
    await tab.until_text("Revision")
    await camera.take("machinery", through="#machinery-etcd table")

    for scheme in ("light", "dark"):
        await camera.open("/", height=780, scheme=scheme)
        await tab.until_text("CrashLoopBackOff")
        await tab.until_text(f"{len(NODES)} Nodes")
        await camera.take("cluster" if scheme == "light" else "cluster-dark", height=780)

    for name, width in (("pod", WIDE), ("pod-phone", PHONE)):
        await camera.open("/pod/shop/db-0", width=width)
        await tab.until("return document.querySelectorAll('tr[data-done=true]').length === 7")
        await tab.until_text("StatefulSet db")
        await tab.click("#log-follow")
        await tab.until_text("ready to accept connections")
        await camera.take(name, width=width, height=None if width == WIDE else 844)

    await camera.open("/lessons", width=READING, height=868)
    await tab.until_text("What a Pod is")
    await camera.take("lessons", width=READING, height=620)

    await camera.open("/lessons/A2", width=READING, height=868)
    await tab.until_text("What the document says")
    through = "section:nth-of-type(2) div.type:nth-of-type(2)"
    await camera.take("lesson", width=READING, through=through)


async def take_loads(camera: Camera, plane: Plane, admin: Clientset, folder: Path) -> None:
    """Take two load tests side by side."""
    workload = folder / "load.yaml"
    workload.write_text(_LOAD)
    await ran(plane, admin, workload, "one-by-one", create="unary")
    await ran(plane, admin, workload, "in-batches", create="batch")
    await camera.open("/loads?a=one-by-one&b=in-batches")
    await camera.tab.until("return document.querySelectorAll('#loads-beside .plot').length > 1")
    await camera.take("loads", height=1000)


async def _has_no(admin: Clientset, namespace: str, job: str) -> bool:
    return all(one.metadata.name != job for one in (await admin.jobs.list(namespace)).items)


def check() -> None:
    """Say how large the pictures are. Raises SystemExit: too large."""
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{name:20} {size / 1000:6.1f} kB")  # noqa: T201
    if max(sizes.values()) > MAX_BYTES or sum(sizes.values()) > MAX_ALL_BYTES:
        sys.exit(f"more than {MAX_BYTES / 1000:.0f} kB, or {MAX_ALL_BYTES / 1000:.0f} kB in all")


async def photograph(plane: Plane, folder: Path) -> None:
    shown = await asyncio.to_thread(Shown, plane, NODES, KUBELET)
    async with plane.client(ADMIN) as admin, browser(folder, width=WIDE) as tab:
        camera = Camera(tab, shown)
        await take_all(camera, admin)
        await take_loads(camera, plane, admin, folder)


def main() -> None:
    """Start everything, take the pictures, end everything."""
    # Processes are called by their machine's name, which is nobody's business.
    if ctypes.CDLL(None).unshare(_CLONE_NEWUTS) != 0:
        sys.exit("pictures: this takes root, so that they do not name this machine")
    socket.sethostname("laptop")
    os.environ["TZ"] = "UTC"  # noqa: TID251 (where this begins)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        plane = Plane(Path(folder))
        try:
            plane.start()
            asyncio.run(photograph(plane, Path(folder)))
        finally:
            plane.close()
    check()


if __name__ == "__main__":
    main()
