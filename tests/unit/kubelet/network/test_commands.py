"""Commands of the node's network: what they say, and how they end."""

import pytest

from kubelet.network import pod_network
from kubelet.network.pod_network import NetworkCommandError, run


async def test_what_a_command_says_comes_back() -> None:
    assert await run(["cat"], "hello") == "hello"


async def test_a_command_that_fails_is_told_with_its_words() -> None:
    with pytest.raises(NetworkCommandError, match="no such device"):
        await run(["sh", "-c", "echo no such device >&2; exit 1"])


async def test_a_command_that_ended_and_left_its_output_open_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pod_network, "_LIMIT_SECONDS", 0.3)
    # The shell has ended by then: there is nothing to kill, and that is no failure of ours.
    with pytest.raises(NetworkCommandError, match="no answer in 0 s"):
        await run(["sh", "-c", "sleep 60 & exit 0"])
