"""The table of delays of a hollow node, as a flag says it."""

import pytest

from kubelet.runtime.hollow.program import Delay, parse_stages


def test_stages_that_are_named_take_time() -> None:
    stages = parse_stages(["run_sandbox=0.1-0.5", "start_container=2"])
    assert (stages.run_sandbox, stages.start_container, stages.create_container) == (
        Delay(0.1, 0.5),
        Delay(2, 2),
        Delay(),
    )
    assert stages.images == ("*",)


def test_images_that_take_time_are_not_there_from_the_beginning() -> None:
    assert parse_stages(["pull_image=1-3"]).images == ()


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("sleep=1", '"sleep" is no stage \\(there are run_sandbox'),
        ("run_sandbox", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=a", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=2-1", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=1-inf", "a delay is 0.5 or 0.1-0.5"),
    ],
)
def test_tables_that_cannot_be_read(item: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_stages([item])
