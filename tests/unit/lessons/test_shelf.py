"""Which lessons there are, and where."""

import tomllib
from pathlib import Path

from tests.support.cluster import ROOT
from vaina.lessons import shelf
from vaina.lessons.shelf import read, rows


def test_rows_are_in_the_order_of_the_requirements(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    for name in ("B10", "B2", "A1", "README"):
        (tmp_path / "en" / f"{name}.md").write_text("")

    assert rows("en", tmp_path) == ["A1", "B2", "B10"]
    assert read("C1", "en", tmp_path) is None
    assert read("../A1", "en", tmp_path) is None
    assert read("A1", "..", tmp_path) is None


def test_an_installed_package_has_them_where_they_are_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    place = Path(shelf.__file__).resolve().parent / "files"
    assert wheel["force-include"] == {"docs/lessons": str(place.relative_to(ROOT))}
    images = (ROOT / "deploy" / "images" / "control-plane" / "Dockerfile").read_text()
    assert f"COPY docs/lessons {place.relative_to(ROOT)}\n" in images
