"""The page's scripts by themselves, in the browser: what no view shows at any hour, or at any pace."""

import pytest

from tests.support.browser import Tab
from tests.support.shown_page import Shown

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

_TIMES = """
return import('/static/times.js').then(({ timeOfDay }) => {
  const midnight = new Date();
  midnight.setHours(0, 5, 0, 0);
  return [timeOfDay(midnight / 1000), timeOfDay(new Date(2020, 1, 3, 0, 5) / 1000), timeOfDay(0)];
});
"""
#: a topic that is left and listened to again while a frame of before is under way
_AGAIN = """
return import('/static/live.js').then(({ Live }) => {
  class Still extends Live { connect() { this.socket = { readyState: WebSocket.CLOSED }; } }
  const live = new Still(() => {}), told = [];
  const take = (value) => told.push(value);
  const stop = live.subscribe('it', { snapshot: take, changes: take });
  live.take({ topic: 'it', snapshot: 'all' });
  live.take({ topic: 'it', changes: 'more' });
  stop();
  live.subscribe('it', { snapshot: take, changes: take });
  live.take({ topic: 'it', changes: 'late' });
  live.take({ topic: 'it', snapshot: 'anew' });
  return told;
});
"""


async def test_times_have_their_date_and_changes_their_snapshot(tab: Tab, shown: Shown) -> None:
    # A language that is none, though every object of JavaScript has it.
    await tab.open(shown.link("/?lang=hasOwnProperty"))
    await tab.until_text("2 Nodes")
    today, before, never = await tab.run(_TIMES)
    assert (today, never) == ("00:05:00", "")
    assert before.startswith("Feb 3, 2020")
    assert before.endswith("00:05:00")
    assert await tab.run(_AGAIN) == ["all", "more", "anew"]


async def test_a_view_that_cannot_be_read_says_so(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link())
    await tab.until_text("2 Nodes")
    await tab.devtools("Network.enable", {})
    await tab.devtools("Network.setBlockedURLs", {"urls": ["*/views/lessons.js"]})
    await tab.click("nav a[href='/lessons']")
    await tab.until_text("This view cannot be read now.")
    # The browser tells of it too.
    assert await tab.complaints()
