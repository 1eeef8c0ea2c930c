"""Who may look, in a browser: by the link alone; in which language, at which width."""

import pytest

from tests.support.browser import Tab
from tests.support.shown_page import SECRET, Shown

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]


async def test_the_link_opens_the_page_and_leaves_the_address(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.url)
    assert "vaina dashboard" in await tab.text()
    # The browser's own words for a 401.
    await tab.until_complaints("401")
    await tab.open(shown.link("/?namespace=default"))
    await tab.until_text("2 Nodes")
    await tab.until_text("live")
    assert await tab.run("return location.href") == f"{shown.url}/?namespace=default"
    assert SECRET not in await tab.run("return document.documentElement.outerHTML + document.cookie")
    assert await tab.run("return document.cookie") == ""


async def test_a_session_that_has_ended_says_how_to_get_another(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link())
    await tab.until_text("live")
    await tab.devtools("Network.clearBrowserCookies", {})
    await tab.reload()
    assert "vaina dashboard" in await tab.text()
    await tab.until_complaints("401")


async def test_it_speaks_spanish_where_the_reader_wishes_and_goes_on_so(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link("/?lang=es"))
    await tab.until_text("2 nodos")
    await tab.open(shown.url)
    await tab.until_text("2 nodos")
    assert await tab.run("return document.documentElement.lang") == "es"
    await tab.click("#languages button")
    await tab.until_text("2 Nodes")


async def test_nothing_is_wider_than_a_phone(tab: Tab, shown: Shown) -> None:
    await tab.resize(360, 700)
    await tab.open(shown.link())
    await tab.until_text("2 Nodes")
    await tab.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert await tab.run("return document.documentElement.scrollWidth") <= 360


async def test_what_a_text_would_run_is_refused_by_the_browser(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link())
    await tab.until_text("live")
    thrown = await tab.run(
        "try { document.body.innerHTML = '<b>x</b>'; return ''; } catch (error) { return error.name; }"
    )
    assert thrown == "TypeError"
    await tab.run(
        "const script = document.createElement('script'); script.append('window.ran = true'); document.head.append(script);"
    )
    assert await tab.run("return window.ran") is None
    # The browser tells of both.
    await tab.until_complaints("TrustedHTML", "will not be executed")
