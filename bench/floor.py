"""The floor of a Pod's start and end: the same Engine API calls (pause and container), made directly.

Called by `bench.pod_start` and `bench.kubelet`.

Runs inside a node (`docker exec -i NODE python -c ...`), where the engine's socket is, with nothing of vaina.
Reads lines and answers each with a line of JSON: `pods N` starts N pairs at once and then ends them at once:
the seconds each took, twice; `kill ID` kills a container: when the engine says that it ended, in seconds
since the epoch. An empty line ends it.
"""

import json
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from docker import APIClient

IMAGE, PAUSE = "busybox:latest", "vaina/pause:1"
#: ends at once when it is asked to
SCRIPT = ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"]
AT_ONCE = 100


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
        IMAGE, SCRIPT, name=f"floor-app-{name}",
        host_config=client.create_host_config(
            network_mode=f"container:{sandbox}", ipc_mode=f"container:{sandbox}", cgroup_parent=parent
        ),
    )["Id"]  # fmt: skip
    client.start(container)
    return time.monotonic() - begun, [container, sandbox]


def end(client: APIClient, ids: list[str]) -> float:
    """Stop and remove a pair; return the seconds."""
    begun = time.monotonic()
    container, sandbox = ids
    client.stop(container, timeout=1)
    client.remove_container(container, v=True)
    client.kill(sandbox)
    client.remove_container(sandbox, v=True, force=True)
    return time.monotonic() - begun


def kill(client: APIClient, container: str) -> float:
    """Kill a container and return when it ended."""
    client.kill(container)
    client.wait(container)
    said = client.inspect_container(container)["State"]["FinishedAt"]
    return datetime.fromisoformat(said).timestamp()


def main() -> None:
    """Answer lines until there are none."""
    parent = sys.argv[1] if len(sys.argv) > 1 else ""
    pool = ThreadPoolExecutor(AT_ONCE)
    clients = [APIClient(version="1.41", timeout=300) for _ in range(AT_ONCE)]
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        answer: Any
        if verb == "pods":
            count = int(argument)
            made = list(pool.map(lambda n: start(clients[n], parent), range(count)))
            ended = list(pool.map(lambda n, made=made: end(clients[n], made[n][1]), range(count)))
            answer = {"start": [seconds for seconds, _ in made], "end": ended}
        elif verb == "kill":
            answer = kill(clients[0], argument)
        else:
            break
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
