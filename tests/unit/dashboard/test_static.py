"""The page's files: no text becomes HTML, nothing comes from elsewhere, every language has every word."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dashboard.static_files import FOLDER

SCRIPTS = sorted(FOLDER.rglob("*.js"))
LANGUAGES = ("en", "es")
#: what would make HTML or code of text
UNSAFE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\b|"
    r"new Function|setTimeout\(['\"`]|javascript:"
)


def texts(language: str, view: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "texts" / language / f"{view}.json").read_text())
    return found


VIEWS = sorted(path.stem for path in (FOLDER / "texts" / "en").glob("*.json"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_text_becomes_html_or_code(script: Path) -> None:
    assert UNSAFE.findall(script.read_text()) == []


@pytest.mark.parametrize(
    "file",
    [path for path in FOLDER.rglob("*") if path.suffix in {".js", ".css", ".html"}],
    ids=lambda path: path.name,
)
def test_nothing_comes_from_elsewhere(file: Path) -> None:
    # The name of SVG's namespace is no address.
    text = file.read_text().replace('"http://www.w3.org/2000/svg"', "")
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) == []
    assert "@import" not in file.read_text()


def test_index_has_neither_script_nor_style_in_it() -> None:
    text = (FOLDER / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*src=)|<style|style=|\son\w+=", text) == []


def words_of(value: Any) -> list[str]:
    return list(value.values()) if isinstance(value, dict) else [value]


@pytest.mark.parametrize("view", VIEWS)
def test_every_language_has_every_text_with_the_same_blanks(view: str) -> None:
    english = texts("en", view)
    for language in LANGUAGES:
        other = texts(language, view)
        assert list(other) == list(english)
        for key, value in english.items():
            blanks = [{*re.findall(r"\{(\w+)\}", text)} for text in (*words_of(value), *words_of(other[key]))]
            assert isinstance(value, dict) == isinstance(other[key], dict)
            assert len({frozenset(one) for one in blanks}) == 1, key


def test_every_view_has_texts_and_every_text_that_is_asked_for_is_there() -> None:
    views = {path.stem for path in (FOLDER / "views").glob("*.js")}
    assert views <= {*VIEWS}
    known = {key for view in VIEWS for key in texts("en", view)}
    asked = {key for path in SCRIPTS for key in re.findall(r"\btext\(\"([\w.-]+)\"", path.read_text())}
    assert asked - known - {"pods.none", "pods"} == set()
    assert {
        f"nav.{name}" for name in re.findall(r"view: \"(\w+)\".*nav:", (FOLDER / "page.js").read_text())
    } <= known
