"""Fields of a configuration that change nothing are told; what asks for nothing is not."""

import pytest

from scheduler.configuration.load import read_configuration, without_effect

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
NODES = "percentageOfNodesToScore: has no effect: all nodes are looked at, as with 100"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", []),
        ("percentageOfNodesToScore: 100\nparallelism: 16\nclientConnection: {qps: 50}", []),
        ("percentageOfNodesToScore: 5", [NODES]),
        ("percentageOfNodesToScore: 0", [NODES]),
        (
            "profiles: [{schedulerName: a}, {schedulerName: b, percentageOfNodesToScore: 5}]",
            [f"profiles[1].{NODES}"],
        ),
        ("parallelism: 4", ["parallelism: has no effect: decisions are made one at a time"]),
        ("clientConnection: {qps: 10}", ["clientConnection: has no effect: connections are gRPC's"]),
        (
            "enableProfiling: false\nenableContentionProfiling: false\ndelayCacheUntilActive: true",
            [
                "enableProfiling: has no effect", "enableContentionProfiling: has no effect",
                "delayCacheUntilActive: has no effect",
            ],
        ),
    ],
)  # fmt: skip
def test_a_field_that_changes_nothing_is_told(text: str, want: list[str]) -> None:
    assert list(without_effect(read_configuration(f"{HEAD}{text}\n"))) == want
