"""Keep modules small: fail over 600 lines (tests: 900), warn over 400. Called by `make lint`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARN, FAIL, FAIL_TESTS = 400, 600, 900


def main() -> int:
    """Check every Python file that git tracks or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    failed = False
    for name in sorted(name for name in listed if (ROOT / name).exists()):
        lines = len((ROOT / name).read_text().splitlines())
        limit = FAIL_TESTS if name.startswith("tests/") else FAIL
        if lines > limit:
            print(f"{name}: {lines} lines, more than {limit}: find the second job in it")
            failed = True
        elif lines > WARN and not name.startswith("tests/"):
            print(f"{name}: {lines} lines: worth a review")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
