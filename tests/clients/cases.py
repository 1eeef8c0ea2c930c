"""Runs the cases of a client library and says of each whether it worked: what these programs share.

    PROGRAM KUBECONFIG NAMESPACE [IMAGE]

They run in the virtual environment of `deploy/clients.sh` and know nothing of ours. They write a JSON line a
case, {"case": name, "error": text, empty where it worked}, as `tests/interop/clientgo` does. With an image
(sh, httpd) they use streams of Pods that run it, and do nothing else.
"""

import faulthandler
import json
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

#: seconds: after them the program says where it hangs, and ends
PATIENCE = 150
LARGE = "0123456789abcdef" * 65536


@dataclass(frozen=True)
class World:
    kubeconfig: str
    namespace: str
    image: str = ""


Case = Callable[[World], None]


def main(cases: Iterable[Case], streams: Iterable[Case]) -> None:
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    world = World(*sys.argv[1:])
    for case in streams if world.image else cases:
        error = ""
        try:
            case(world)
        except Exception:  # noqa: BLE001 (whatever goes wrong in one case is told, and the next is tried)
            error = traceback.format_exc()
        sys.stdout.write(json.dumps({"case": case.__name__, "error": error}) + "\n")
        sys.stdout.flush()


def until(what: str, holds: Callable[[], Any], patience: float = 60) -> Any:
    """Ask again and again until the answer is truthy; return it."""
    end = time.monotonic() + patience  # noqa: TID251 (a program of its own, with real time)
    while not (found := holds()):
        assert time.monotonic() < end, f"waited for {what}"  # noqa: TID251
        time.sleep(0.05)  # noqa: TID251
    return found


def raised(kind: type[Exception], call: Callable[[], Any]) -> Any:
    """Return what a call raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def page(port: int) -> str:
    """Return what a web server answers at a port of this machine."""
    with closing(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20)) as answer:
        return answer.read().decode()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "maps"}}, "data": data,
    }  # fmt: skip


def pod(name: str, *containers: dict[str, Any]) -> dict[str, Any]:
    made = containers or ({"name": "main", "image": "busybox", "env": [{"name": "A", "value": "1"}]},)
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": list(made), "terminationGracePeriodSeconds": 1},
    }  # fmt: skip


def deployment(name: str, *containers: dict[str, Any], replicas: int = 1) -> dict[str, Any]:
    template = pod(name, *containers)
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"] | {"terminationGracePeriodSeconds": 30}},
        },
    }  # fmt: skip


def serving(image: str) -> dict[str, Any]:
    """Make a container that writes two lines and serves a page at port 8080."""
    script = (
        "echo one; echo two; mkdir /tmp/w; echo page > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"
    )
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 60}
    return {
        "name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
        "readinessProbe": probe,
    }  # fmt: skip


def listening(image: str) -> dict[str, Any]:
    """Make a container that repeats what it is told."""
    return {
        "name": "ear", "image": image, "imagePullPolicy": "IfNotPresent", "stdin": True,
        "command": ["sh", "-c", "while read word; do echo heard $word; done"],
    }  # fmt: skip
