"""Whether this machine lets tests mount."""

import os
import tempfile
from functools import cache

import pytest

from kubelet.volumes import mounting


@cache
def _may_mount() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        try:
            mounting.bind(directory, directory)
            mounting.unmount(os.path.realpath(directory))
        except OSError:
            return False
    return True


#: of tests that mount; tests/cluster shows the same on every machine
needs_mounts = pytest.mark.skipif(not _may_mount(), reason="needs the right to mount")
