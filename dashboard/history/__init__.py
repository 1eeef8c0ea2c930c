"""What Prometheus holds of the last hours, for the plots of the views."""

from dashboard.history.following import HistoryTopic
from dashboard.history.prometheus import Prometheus
from dashboard.view import Context, Routes


def routes(context: Context) -> Routes:
    """Return what this view has."""
    prometheus = Prometheus(context.config.prometheus, context.clock)
    return Routes(topics={"history": lambda name: HistoryTopic(prometheus, context.clock, name)})
