"""Print the lock file's lines that hold for another Python: `lock_for.py 3.13 <requirements/dev.txt`.

`pip download --python-version` chooses wheels for that Python, but lines by the Python that runs it.
"""

import re
import sys
from collections.abc import Iterable, Iterator

from packaging.markers import Marker


def lines_for(version: str, lock: Iterable[str]) -> Iterator[str]:
    """Give the lines of the packages that a Python of this version (3.13) takes, without what they were
    chosen by.
    """
    environment = {"python_version": version, "python_full_version": f"{version}.0"}
    wanted = True
    for line in lock:
        if line[:1].isalnum():
            marker = line.partition(" ; ")[2].rstrip("\\ \n")
            wanted = not marker or Marker(marker).evaluate(environment)
        if wanted:
            yield re.sub(r" ; .*[^\\\s]", "", line)


if __name__ == "__main__":
    sys.stdout.writelines(lines_for(sys.argv[1], sys.stdin))
