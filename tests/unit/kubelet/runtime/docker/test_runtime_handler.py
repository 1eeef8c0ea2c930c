"""The handler of a RuntimeClass is a runtime of the engine, of the sandbox and of the containers in it."""

from dataclasses import replace

from kubelet.runtime.docker.convert import container_body, sandbox_body
from kubelet.runtime.records import ContainerConfig
from tests.unit.kubelet.runtime.docker.test_rights import SANDBOX


def _runtimes(handler: str) -> list[object]:
    sandbox = replace(SANDBOX, runtime_handler=handler)
    container = container_body(
        "s-1",
        sandbox,
        ContainerConfig(name="app", attempt=0, image_id="sha256:1", image="i"),
        least_oom_score_adj=-1000,
    )
    return [body["HostConfig"].get("Runtime") for body in (sandbox_body(sandbox, ""), container)]


def test_the_handler_is_the_engines_runtime() -> None:
    assert _runtimes("runsc") == ["runsc", "runsc"]


def test_without_a_handler_the_engine_takes_its_default() -> None:
    assert _runtimes("") == [None, None]
