"""Golden files: what a printer wrote once, and must write again. VAINA_UPDATE_GOLDEN=1 writes them anew."""

import os
from pathlib import Path


def check_golden(path: Path, text: str) -> None:
    """Compare a text with its golden file."""
    if os.environ.get("VAINA_UPDATE_GOLDEN"):  # noqa: TID251  # a switch of the test run
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), (
        f"no golden file {path.name}: run the test with VAINA_UPDATE_GOLDEN=1 and look at it"
    )
    assert text == path.read_text()
