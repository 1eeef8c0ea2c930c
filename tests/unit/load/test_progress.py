"""What is shown while a run goes on."""

from bench.load.podset import PodSet
from bench.load.progress import Progress


def test_a_rate_is_of_the_pods_of_one_run() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    before, after = (PodSet("createPods [2]", "load-1", ["a", "b"]) for _ in range(2))
    before.see_bound(0, "n", 1.0)
    progress.show(before)
    # The next run has as many Pods under the same names, and begins with none.
    progress.show(after)
    assert said[1].endswith("createPods [2]: 0 of 2 bound, 0/s\n")
