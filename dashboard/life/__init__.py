"""The view of one Pod: its seven steps, containers, Events, owners, logs, and what is wrong with it."""

from dashboard.life.following import PodTopic
from dashboard.life.logs import Logs
from dashboard.view import Context, Routes


def routes(context: Context) -> Routes:
    """Return what this view has."""
    logs = Logs(context)
    return Routes(
        handlers={"/api/pods/{namespace}/{name}/log": logs.handler()},
        topics={"pod": lambda name: PodTopic(context, name)},
    )
