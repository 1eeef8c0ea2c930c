"""Images of an engine with several names."""

from collections.abc import Callable
from typing import Any

import pytest

from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.images import DockerImages
from kubelet.runtime.interface import RuntimeFailure


class Names(Engine):
    """An engine with one image, which has these names and may be used; takes names away as Docker does."""

    def __init__(self, *names: str, used: bool) -> None:
        super().__init__("/nowhere")
        self.names, self.used = [*names], used

    async def call(self, operation: Callable[[Any], Any]) -> Any:
        return operation(self)

    def inspect_image(self, image_id: str) -> dict[str, Any]:
        return {"Id": "sha256:1", "RepoTags": [*self.names], "RepoDigests": [], "Size": 1, "Config": {}}

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Id": "c"}] if self.used else []

    def remove_image(self, name: str) -> None:
        self.names.remove(name)


async def test_an_image_that_is_used_keeps_all_its_names() -> None:
    engine = Names("busybox:1.37", "busybox:latest", used=True)
    with pytest.raises(RuntimeFailure, match="sha256:1 is being used by a container"):
        await DockerImages(engine).remove_image("sha256:1")
    assert engine.names == ["busybox:1.37", "busybox:latest"]


async def test_one_that_nobody_uses_goes_with_all_its_names() -> None:
    engine = Names("busybox:1.37", "busybox:latest", used=False)
    await DockerImages(engine).remove_image("sha256:1")
    assert engine.names == []
