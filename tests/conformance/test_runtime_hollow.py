"""The runtime spec over the hollow runtime."""

import random
from ipaddress import IPv4Network

import pytest

from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowImages, HollowRuntime
from kubelet.runtime.records import Uid
from tests.conformance.runtime_spec import Harness, RuntimeSpec
from vaina.testing.clock import FakeClock


class TestHollow(RuntimeSpec):
    @pytest.fixture
    def harness(self) -> Harness:
        clock, rng = FakeClock(), random.Random(1)
        stages = Stages(missing_images=frozenset({"nosuch:1"}))

        async def wait() -> None:
            await clock.advance(0.25)

        return Harness(
            runtime=HollowRuntime(clock, rng, stages=stages, cidr=IPv4Network("10.244.1.0/24")),
            images=HollowImages(clock, rng, stages),
            image="busybox:1",
            missing_image="nosuch:1",
            wait=wait,
            uid=Uid("uid-1"),
        )
