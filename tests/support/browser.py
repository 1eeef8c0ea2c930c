"""A real browser for tests: Debian's Chromium, driven over WebDriver (W3C) by this module alone.

    async with browser(tmp_path) as tab:
        await tab.open(url)
        await tab.until("return document.title === 'Cluster · vaina'")
        assert await tab.run("return document.querySelectorAll('li').length") == 3

Nothing is waited for by sleeping: `until` asks within the browser, again and again, until the answer is true.
"""

import asyncio
import base64
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from vaina.clock import SystemClock

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
#: without a screen, and without a word to anybody but the page
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--disable-extensions", "--disable-default-apps",
    "--disable-domain-reliability", "--disable-client-side-phishing-detection", "--no-pings", "--mute-audio",
)  # fmt: skip
START_SECONDS = 60.0
WAIT_SECONDS = 60.0
#: WebDriver's names of keys
KEYS = {
    "Enter": "\ue007", "Escape": "\ue00c", "Left": "\ue012", "Up": "\ue013", "Right": "\ue014", "Down": "\ue015",
    "Tab": "\ue004",
}  # fmt: skip
#: what the driver says at once where a script's page was left, by a link or a reload
_LEFT = ("document unloaded while waiting for result", "script timeout: script timeout")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_UNTIL = """
const [body, wanted, done] = [arguments[0], arguments[1], arguments[arguments.length - 1]];
const look = new Function(body), end = performance.now() + wanted;
(function again() {
  let found = null;
  try { found = look(); } catch (error) { found = null; }
  if (found) done(found);
  else if (performance.now() > end) done(null);
  else setTimeout(again, 25);
})();
"""


class BrowserError(Exception):
    """The driver refused something, or a state did not come."""


class Tab:
    """The one tab of a browser."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def open(self, url: str) -> None:
        await self._ask("POST", "/url", {"url": url})

    async def reload(self) -> None:
        await self._ask("POST", "/refresh", {})

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page; return what it returns."""
        return await self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    async def until(self, condition: str, seconds: float = WAIT_SECONDS) -> Any:
        """Wait until the body of a function returns something true; return that. Raises BrowserError."""
        clock = SystemClock()
        end = clock.monotonic() + seconds
        found = None
        while not found and (left := end - clock.monotonic()) > 0:
            try:
                args = [condition, left * 1000]
                found = await self._ask("POST", "/execute/async", {"script": _UNTIL, "args": args})
            except BrowserError as error:
                # The page was left for another while it was asked: that one is asked.
                if not any(words in str(error) for words in _LEFT):
                    raise
        if not found:
            text = await self.run("return document.body.innerText.slice(0, 3000)")
            raise BrowserError(f"not within {seconds:g} s: {condition}\nthe page says:\n{text}")
        return found

    async def until_text(self, text: str, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the page shows a text."""
        await self.until(f"return document.body.innerText.includes({text!r})", seconds)

    async def until_within(self, selector: str, text: str) -> None:
        """Wait until an element shows a text."""
        await self.until(f"return document.querySelector({selector!r}).innerText.includes({text!r})")

    async def text(self, selector: str = "body") -> str:
        """Return the text of an element as it is shown."""
        found: str = await self.run("return document.querySelector(arguments[0]).innerText", selector)
        return found

    async def click(self, selector: str) -> None:
        """Click on an element as a reader does. Raises BrowserError: it is not there, or something covers it."""
        await self._ask("POST", f"/element/{await self._find(selector)}/click", {})

    async def type(self, selector: str, *words: str) -> None:
        """Type into an element: texts, and names of KEYS."""
        text = "".join(KEYS.get(word, word) for word in words)
        await self._ask("POST", f"/element/{await self._find(selector)}/value", {"text": text})

    async def click_at(self, x: int, y: int) -> None:
        """Click at a place of the window."""
        await self.point(x, y, [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}])

    async def point(self, x: int, y: int, more: list[dict[str, Any]] | None = None) -> None:
        """Move the pointer to a place of the window."""
        moved = {"type": "pointerMove", "duration": 0, "x": x, "y": y}
        actions = [{"type": "pointer", "id": "mouse", "actions": [moved, *(more or [])]}]
        await self._ask("POST", "/actions", {"actions": actions})

    async def screenshot(self, path: Path) -> None:
        data = base64.b64decode(await self._ask("GET", "/screenshot"))
        await asyncio.to_thread(path.write_bytes, data)

    async def resize(self, width: int, height: int) -> None:
        """Give the page a size, in CSS pixels (narrower than a window may be)."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.devtools("Emulation.setDeviceMetricsOverride", metrics)

    async def prefer(self, **features: str) -> None:
        """Say what the reader prefers: prefer(prefers_color_scheme="dark")."""
        wished = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        await self.devtools("Emulation.setEmulatedMedia", {"features": wished})

    async def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return await self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    async def complaints(self) -> list[str]:
        """Return what the console said of errors since it was asked last: refused scripts, exceptions."""
        entries = await self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    async def until_complaints(self, *words: str) -> None:
        """Wait until the console has said errors with all these words: they come another way than the page."""
        clock, said = SystemClock(), ""
        end = clock.monotonic() + WAIT_SECONDS
        while not all(word in said for word in words):
            if clock.monotonic() > end:
                raise BrowserError(f"not within {WAIT_SECONDS:g} s: complaints with {words}, but {said}")
            said += "\n".join(await self.complaints())
            await clock.sleep(0.02)

    async def _find(self, selector: str) -> str:
        found = await self._ask("POST", "/element", {"using": "css selector", "value": selector})
        element: str = found[_ELEMENT]
        return element

    async def _ask(self, method: str, path: str, value: Any = None) -> Any:
        async with self._session.request(method, self._url + path, json=value) as response:
            answer = (await response.json(content_type=None))["value"]
        if response.status != 200:
            raise BrowserError(f"{path}: {answer['error']}: {answer['message'][:1000]}")
        return answer


@asynccontextmanager
async def browser(
    folder: Path, *, width: int = 1280, height: int = 800, language: str = "en"
) -> AsyncIterator[Tab]:
    """Start a browser with nothing in it; its files go into a folder."""
    assert DRIVER is not None
    assert CHROMIUM is not None
    written = folder / "driver.log"
    with written.open("wb") as log:
        # It chooses its port itself: one that is free now may be taken when it begins to listen.
        process = await asyncio.create_subprocess_exec(DRIVER, "--port=0", stdout=log, stderr=log)
    try:
        port = await _port_of(written)
        async with (
            aiohttp.ClientSession() as session,
            _session(session, port, folder, (width, height), language) as tab,
        ):
            yield tab
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _session(
    session: aiohttp.ClientSession, port: int, folder: Path, size: tuple[int, int], language: str
) -> AsyncIterator[Tab]:
    flags = [
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={size[0]},{size[1]}",
        f"--lang={language}",
    ]
    options = {"binary": CHROMIUM, "args": flags, "prefs": {"intl.accept_languages": language}}
    wanted = {
        "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        "timeouts": {"script": 120_000, "pageLoad": 60_000},
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}/session"
    async with session.post(url, json={"capabilities": {"alwaysMatch": wanted}}) as response:
        answer = (await response.json(content_type=None))["value"]
    if "sessionId" not in answer:
        raise BrowserError(str(answer)[:2000])
    tab = Tab(session, f"{url}/{answer['sessionId']}")
    try:
        yield tab
    finally:
        async with session.delete(f"{url}/{answer['sessionId']}"):
            pass


async def _port_of(log: Path) -> int:
    """Return the port on which the driver listens, once it says so. Raises BrowserError."""
    clock = SystemClock()
    end = clock.monotonic() + START_SECONDS
    while clock.monotonic() < end:
        if said := re.search(r"started successfully on port (\d+)", await asyncio.to_thread(log.read_text)):
            return int(said[1])
        await clock.sleep(0.05)
    raise BrowserError("the driver does not listen")
