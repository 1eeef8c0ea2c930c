"""The lock files name every package that is needed: they are installed with `--no-deps`."""

import subprocess
import sys


def test_no_package_lacks_one_that_it_asks_for() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "No broken requirements found.\n")
