"""The lessons, in a browser: found, read, copied, and followed from one to the next."""

import pytest

from tests.support.browser import Tab
from tests.support.shown_page import Shown

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]


async def test_a_lesson_is_found_read_and_followed_by_the_next(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link("/lessons?lang=es"))
    await tab.until_text("B10 · Los init containers preparan, y deben terminar bien")
    await tab.click("a[href='/lessons/A1']")
    await tab.until_text("Qué dice el documento")
    assert await tab.run("return document.querySelector('h1').textContent") == (
        "A1 · Un manifiesto se comprueba y se guarda"
    )
    assert await tab.run("return document.title") == "Lección A1 · vaina"
    typed = await tab.run("return document.querySelector('.typed').textContent")
    assert typed == "export VAINA_NAMESPACE=lesson-a1\nvaina create namespace lesson-a1"
    assert await tab.run("return document.querySelector(\"a[href='/?namespace=lesson-a1']\") !== null")
    await tab.click("a[href='/lessons/A2']")
    await tab.until_text("El scheduler le da un nodo al Pod")


async def test_what_is_to_be_typed_is_copied_by_a_button(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link("/lessons/A1?lang=en"))
    await tab.until_text("What the document says")
    await tab.click(".copy button")
    # Where the browser does not let the page write to the clipboard, what is selected can be copied by hand.
    said = await tab.until("return document.querySelector('.copy [role=status]').textContent")
    selected = await tab.run("return getSelection().toString()")
    assert said == "copied" or (said, "vaina create namespace" in selected) == ("selected: copy it", True)


async def test_lessons_keep_to_a_phone_and_one_that_is_not_there_is_said(tab: Tab, shown: Shown) -> None:
    await tab.resize(360, 700)
    await tab.open(shown.link("/lessons/A4?lang=es"))
    await tab.until_text("Qué romper ahora")
    assert await tab.run("return document.documentElement.scrollWidth") <= 360
    await tab.open(shown.link("/lessons/Z9"))
    await tab.until_text("there is no lesson 'Z9'")
    # The browser's own words for the 404.
    await tab.until_complaints("404")
