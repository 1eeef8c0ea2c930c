"""The scheduler: its queue over time, decisions as they fall, why a Pod is where it is, and load tests."""

from dashboard.scheduling.following import SchedulerTopic, explain_handler
from dashboard.scheduling.load_topics import Loads, LoadTopic
from dashboard.view import Context, Routes


def routes(context: Context) -> Routes:
    """Return what this view has."""
    loads = Loads(context.clients, context.clock)
    return Routes(
        handlers={"/api/explain/{namespace}/{name}": explain_handler(context)},
        topics={
            "scheduler": lambda _: SchedulerTopic(context),
            "loads": lambda _: LoadTopic(loads),
            "load": lambda name: LoadTopic(loads, name.partition("/")[2]),
        },
        tasks=(loads.run,),
    )
