"""Ports for the processes of tests and benchmarks: nobody else is given them."""

import subprocess
import sys
from pathlib import Path

from bench.etcd import free_port

ROOT = Path(__file__).parents[3]
COUNT = 120
GIVE = f"""
import sys
from bench.etcd import free_port
print(*(free_port() for _ in range({COUNT})), flush=True)
sys.stdin.read()
"""


def test_no_two_processes_are_given_one_port() -> None:
    given = [free_port() for _ in range(COUNT)]
    others = [
        subprocess.Popen(
            [sys.executable, "-c", GIVE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        for other in others:
            assert other.stdout is not None
            given += [int(port) for port in other.stdout.readline().split()]
    finally:
        for other in others:
            other.communicate("")
    assert len(set(given)) == len(given) == 4 * COUNT
