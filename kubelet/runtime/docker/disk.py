"""What a container has on disk: its writable layer and its log, read beside the engine.

Called by the docker runtime.

The engine can say it too (`size=1`), but then walks all layers while it holds its lock.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubelet.machine.filesystem import TreeUse, tree_use
from kubelet.runtime.records import DiskUsage


def disk_usage(inspected: Mapping[str, Any]) -> DiskUsage:
    """Return it for what the engine's inspect says. Blocks: a walk over the container's files."""
    upper = ((inspected.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir", "")
    layer = tree_use(upper) if upper else TreeUse()
    log = Path(inspected.get("LogPath") or "/nowhere")
    # Rotated ones are called <log>.1, <log>.2.
    files = [log, *log.parent.glob(f"{log.name}.*")] if log.parent.is_dir() else []
    return DiskUsage(layer.bytes, sum(tree_use(file).bytes for file in files), layer.inodes)
