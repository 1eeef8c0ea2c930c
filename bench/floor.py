"""The floor of a Pod's start: the same Engine API calls (pause and container), made directly. Called by `bench.pod_start`.

Runs inside a node (`docker exec -i NODE python - < bench/floor.py`), where the engine's socket is, with nothing of vaina. Speaks lines: each
line read is a number of Pods to start at once; the answer is a JSON list with the seconds each took. An empty line ends it.
"""

import json
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from docker import APIClient

IMAGE, PAUSE = "busybox:latest", "vaina/pause:1"


def start(client: APIClient, parent: str) -> tuple[float, list[str]]:
    """Make and start a pause container and one container in its namespaces; return the seconds and the ids."""
    name = uuid.uuid4().hex
    begun = time.monotonic()
    sandbox = client.create_container(
        PAUSE, name=f"floor-pause-{name}", hostname="floor",
        host_config=client.create_host_config(network_mode="none", ipc_mode="shareable", cgroup_parent=parent),
    )["Id"]  # fmt: skip
    client.start(sandbox)
    container = client.create_container(
        IMAGE, ["sleep", "3600"], name=f"floor-app-{name}",
        host_config=client.create_host_config(
            network_mode=f"container:{sandbox}", ipc_mode=f"container:{sandbox}", cgroup_parent=parent
        ),
    )["Id"]  # fmt: skip
    client.start(container)
    return time.monotonic() - begun, [container, sandbox]


def main() -> None:
    """Answer lines until there are none."""
    parent = sys.argv[1] if len(sys.argv) > 1 else ""
    pool = ThreadPoolExecutor(16)
    clients = [APIClient(version="1.41", timeout=120) for _ in range(16)]
    for line in sys.stdin:
        if not line.strip():
            break
        count = int(line)
        results = list(pool.map(lambda n: start(clients[n], parent), range(count)))
        print(json.dumps([seconds for seconds, _ in results]), flush=True)
        for _, ids in results:
            for number in ids:
                clients[0].remove_container(number, force=True)


if __name__ == "__main__":
    main()
