"""Keep what a test said that was tried again. A plugin of pytest, loaded by tests/conftest.py.

With `--reruns` pytest forgets why the first try failed. Here it goes to a file of its own below `.cache/flaky`,
and into the summary of the run. `tools/flaky.sh` counts the files at the end of `make test` (decision 141).
"""

import re
from pathlib import Path

import pytest


class FirstTries:
    """Collects the tries that were followed by another, where the reports of all processes come together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: by test, the failures of a try of which more is to come: what was captured is in its last report
        self.open: dict[str, list[str]] = {}
        self.told: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "rerun":
            self.open.setdefault(report.nodeid, []).append(f"failed in {report.when}:\n{report.longreprtext}")
        if report.when == "teardown" and report.nodeid in self.open:
            self._keep(report.nodeid, report.sections)

    def _keep(self, test: str, sections: list[tuple[str, str]]) -> None:
        text = "\n".join(
            [*self.open.pop(test), *(f"--- {title} ---\n{content}" for title, content in sections)]
        )
        self.told.append((test, text))
        self.folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "_", test)[-150:]
        with (self.folder / f"{name}.txt").open("a") as file:
            file.write(f"{test}\n{text}\n")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test in tuple(self.open):  # its process ended before it could say how
            self._keep(test, [])
        if self.told:
            terminalreporter.section("first tries that failed")
        for test, text in self.told:
            terminalreporter.write_sep("_", test)
            terminalreporter.write_line(text)


def pytest_configure(config: pytest.Config) -> None:
    """Collect in the process that reports; xdist's workers hand it what they have."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FirstTries(config.rootpath / ".cache" / "flaky"))
