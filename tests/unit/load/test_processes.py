"""Processes of a load are ended together: one that takes its time takes it from nobody else."""

import os
from pathlib import Path

from bench.processes import ServiceProcess, close_all


def test_all_are_asked_to_end_before_any_is_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "together"
    os.mkfifo(fifo)
    processes = [ServiceProcess("tests.support.ends_with_its_mate", str(fifo), mode) for mode in ("r", "w")]
    try:
        for process in processes:
            process.wait_healthy()
        close_all(processes)
        assert [process.code for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
