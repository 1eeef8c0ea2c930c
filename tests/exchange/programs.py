"""Programs of Kubernetes that tests of the exchange start: in KUBE_BIN, for no package registry offers them."""

import os
from pathlib import Path

import pytest

from bench.reference.programs import Program, find_program

#: `make exchange KUBE_BIN=folder`
FOLDER = os.environ.get("KUBE_BIN", "")  # noqa: TID251 (where tests begin)
needs_programs = pytest.mark.skipif(
    not FOLDER, reason="needs Kubernetes' own programs by path (KUBE_BIN): no package registry offers them"
)


def program(name: str) -> Program:
    """Return one of them. Raises ProgramError: it is not there, or something else."""
    return find_program(name, str(Path(FOLDER) / name))
