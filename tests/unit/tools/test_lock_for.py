"""Which lines of the lock file another Python takes."""

import pytest

from tools.lock_for import lines_for

LOCK = """\
# by uv
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa
    # via vaina
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:bb
pywin32==312 ; sys_platform == 'win32' \\
    --hash=sha256:cc
pytest==9.0.2 \\
    --hash=sha256:dd
"""


@pytest.mark.parametrize(
    ("version", "numpy"), [("3.11", ["2.4.6", "aa"]), ("3.12", ["2.5.5", "bb"]), ("3.14", ["2.5.5", "bb"])]
)
def test_a_package_is_there_once_with_its_hashes(version: str, numpy: list[str]) -> None:
    number, digest = numpy
    text = "".join(lines_for(version, LOCK.splitlines(keepends=True)))
    assert f"numpy=={number} \\\n    --hash=sha256:{digest}\n" in text
    assert text.count("numpy==") == 1
    assert "pywin32" not in text
    assert text.endswith("pytest==9.0.2 \\\n    --hash=sha256:dd\n")
