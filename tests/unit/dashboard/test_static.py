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


def colours(scheme: str) -> dict[str, str]:
    """Return the colours of the stylesheet by name: those of a scheme where it has its own."""
    light, dark = re.findall(r":root \{(.*?)\}", (FOLDER / "style.css").read_text(), re.DOTALL)
    found = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", light))
    return found | (dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", dark)) if scheme == "dark" else {})


def contrast(one: str, other: str) -> float:
    """Return how far two colours are apart (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_signs_stand_out_from_what_is_behind_them(scheme: str) -> None:
    colour = colours(scheme)
    words = ("text", "quiet", "accent", "good", "waiting", "bad", "ended")
    for back in ("back", "raised"):
        seen = {name: contrast(colour[name], colour[back]) for name in words}
        assert {name: ratio for name, ratio in seen.items() if ratio < 4.5} == {}
        # What one writes into or presses is known by its edge.
        assert contrast(colour["edge"], colour[back]) >= 3
    # The notice above a view.
    assert contrast(colour["bad"], colour["back"]) >= 4.5
