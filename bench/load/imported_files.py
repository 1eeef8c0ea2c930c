"""An import as files that `vaina load run -f` reads, and as words for who asked for it. PURE."""

from typing import Final

import msgspec

from bench.load.imported import Imported, Replay

WORKLOAD, CLUSTER, PODS, ARRIVALS = "workload.yaml", "cluster.jsonl", "pods.jsonl", "arrivals.txt"
CASE: Final = "Imported"
_VARIANTS: Final = {"pending": "Pending", "all": "All"}
_WORKLOAD: Final = """\
# Written by `vaina load import` (docs/load-testing.md).
- name: {case}
  description: A cluster that was exported, and the Pods of it that are scheduled here.
  workloadTemplate:
  - {{opcode: createObjects, path: {cluster}}}
  - {{opcode: createObjects, path: {pods}, collectMetrics: true}}
  workloads:
  - {{name: {variant}}}
"""
#: kinds of differences that are told one by one
_MOST: Final = 40


def files(found: Imported, replay: Replay, speed: float) -> dict[str, bytes]:
    """Return the files of an import by their names.

    Args:
        found: what was imported.
        replay: which Pods are measured.
        speed: how much faster than in the cluster they arrive in `arrivals.txt`.
    """
    encode = msgspec.json.Encoder().encode
    arrivals = "".join(f"{at / speed:.3f}\n" for at in found.arrivals)
    text = _WORKLOAD.format(case=CASE, cluster=CLUSTER, pods=PODS, variant=_VARIANTS[replay])
    return {
        CLUSTER: b"".join(encode(tree) + b"\n" for tree in found.objects),
        PODS: b"".join(encode(tree) + b"\n" for tree in found.pods),
        ARRIVALS: arrivals.encode(),
        WORKLOAD: text.encode(),
    }


def words(found: Imported, folder: str, replay: Replay, speed: float) -> list[str]:
    """Say what was taken, what was not, and how it is run."""
    listed = ", ".join(f"{count:,} {kind}" for kind, count in found.taken.items())
    lines = [f"taken: {listed}"]
    lines.append(
        f"measured: {len(found.pods):,} Pods; {found.taken['Pod'] - len(found.pods):,} are there before"
    )
    lines += [f"left out: {count:,} {what}" for what, count in sorted(found.left_out.items())]
    told = sorted(found.told.items())
    lines += [f"differs: {count:,} x {what}" for what, count in told[:_MOST]]
    if len(told) > _MOST:
        lines.append(f"differs: {len(told) - _MOST:,} other things")
    run = f"vaina load run -f {folder}/{WORKLOAD} {CASE}/{_VARIANTS[replay]} --local"
    lines.append(f"run it: {run}")
    if replay == "all":
        lines.append(f"in the order of their creation: {run} --create batch --in-flight 1")
    if found.arrivals[-1] > 0:
        span = found.arrivals[-1] / speed
        lines.append(f"as they arrived, within {span:,.0f} s: {run} --trace {folder}/{ARRIVALS}")
    return lines
