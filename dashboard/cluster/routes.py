"""The cluster view: its topic `cluster`, with what a reader selects (`selection`)."""

from dashboard.cluster.following import Following
from dashboard.cluster.selection import parse_selection
from dashboard.cluster.topic import ClusterTopic
from dashboard.view import Context, Routes


def routes(context: Context) -> Routes:
    """Return what this view has."""
    following = Following(context.clients, context.clock)
    return Routes(
        topics={"cluster": lambda name: ClusterTopic(parse_selection(name), following)},
        tasks=(following.run,),
    )
