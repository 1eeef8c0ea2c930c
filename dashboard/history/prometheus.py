"""Shell: Prometheus' HTTP API, asked for the plots of a view.

An answer is shared by all who look at the same plots, and stands for `LOOK_SECONDS`, however often somebody
comes.
"""

import asyncio
from collections import defaultdict
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from dashboard.history.plots import PLOTS, RANGES, Stretch, Unreadable, read_answer, shown
from dashboard.texts import cut
from vaina.clock import Clock
from vaina.config import ConfigError

log = structlog.stdlib.get_logger(__name__)

#: how long an answer stands
LOOK_SECONDS: Final = 5.0
#: for all answers of a look
TIMEOUT_SECONDS: Final = 5.0
#: of one answer; four lines of 241 points have 30 KB
MAX_ANSWER_BYTES: Final = 1024 * 1024
_PATH: Final = "api/v1/query_range"
_PIECE: Final = 64 * 1024


def check_url(url: str) -> None:
    """Raises ConfigError: this is nowhere that Prometheus could be asked."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if url and not is_one:
        raise ConfigError(f'prometheus: "{url}" is no URL such as http://127.0.0.1:9090')


class Prometheus:
    """The one that measures the cluster, if there is one. Owned by the event loop."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Make it; an empty URL: there is none."""
        self.url, self._clock = url.rstrip("/"), clock
        #: by view and range, of which there are few: when it was asked, and what it said
        self._answers: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def look(self, view: str, chosen: str) -> dict[str, Any]:
        """Return the plots of a view, or {away: why it does not answer}, or {absent: true}: nobody is there."""
        key = (view, chosen)
        async with self._turns[key]:
            asked, found = self._answers.get(key, (-LOOK_SECONDS, {}))
            if self._clock.monotonic() - asked >= LOOK_SECONDS or not found:
                found = await self._ask(view, chosen)
                self._answers[key] = (self._clock.monotonic(), found)
            return found

    async def _ask(self, view: str, chosen: str) -> dict[str, Any]:
        if not self.url:
            return {"absent": True}
        try:
            # No cookies, no proxy of the environment's, nothing that would have to be unpacked.
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                aiohttp.ClientSession(
                    cookie_jar=aiohttp.DummyCookieJar(), headers={"Accept-Encoding": "identity"}
                ) as session,
            ):
                return await self._plots(session, view, chosen)
        except aiohttp.ClientConnectorError as error:
            log.debug("prometheus is not reached", error=str(error))
            return {"absent": True}
        except TimeoutError:
            return {"away": f"no answer within {TIMEOUT_SECONDS:g} s"}
        except (aiohttp.ClientError, Unreadable) as error:
            return {"away": cut(str(error), 300)}

    async def _plots(self, session: aiohttp.ClientSession, view: str, chosen: str) -> dict[str, Any]:
        asked = RANGES[chosen]
        stretch = Stretch.until(self._clock.now(), asked)
        # One after the other: it has more to do.
        plots = {
            name: read_answer(
                await self._query(session, plot.over(asked.window), stretch), plot.lines, stretch
            )
            for name, plot in PLOTS[view].items()
        }
        return shown(chosen, stretch, plots)

    async def _query(self, session: aiohttp.ClientSession, expression: str, stretch: Stretch) -> bytes:
        """Return the body of an answer. Raises aiohttp.ClientError, Unreadable."""
        parameters: dict[str, str | int] = {
            "query": expression,
            "start": stretch.start,
            "end": stretch.end,
            "step": stretch.step,
        }
        async with session.get(f"{self.url}/{_PATH}", params=parameters, allow_redirects=False) as response:
            if response.status != 200:
                raise Unreadable(f"HTTP {response.status}")
            body = bytearray()
            async for piece in response.content.iter_chunked(_PIECE):
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise Unreadable(f"an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
            return bytes(body)
