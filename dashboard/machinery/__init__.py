"""The view of the machine: components, leaders, work queues, who watches what, etcd."""

from dashboard.machinery.following import MachineryTopic
from dashboard.view import Context, Routes


def routes(context: Context) -> Routes:
    """Return what this view has."""
    return Routes(topics={"machinery": lambda _: MachineryTopic(context)})
