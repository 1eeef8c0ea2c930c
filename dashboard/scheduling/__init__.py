"""The view of the scheduler: its queue over time, decisions as they fall, and why a Pod is where it is."""

from dashboard.scheduling.following import SchedulerTopic, explain_handler
from dashboard.view import Context, Routes


def routes(context: Context) -> Routes:
    """Return what this view has."""
    return Routes(
        handlers={"/api/explain/{namespace}/{name}": explain_handler(context)},
        topics={"scheduler": lambda _: SchedulerTopic(context)},
    )
