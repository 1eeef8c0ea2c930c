"""Leader election by Lease: of several processes that could do the same work, one does it."""

from vaina.leaderelection.config import LeaderElectionConfig
from vaina.leaderelection.elector import Times
from vaina.leaderelection.guard import LeaderTransport
from vaina.leaderelection.lease_lock import LeaseLock
from vaina.leaderelection.metrics import LeaderMetrics
from vaina.leaderelection.runner import LeaderElector, LeadershipLost
from vaina.leaderelection.service import Election

__all__ = [
    "Election",
    "LeaderElectionConfig",
    "LeaderElector",
    "LeaderMetrics",
    "LeaderTransport",
    "LeadershipLost",
    "LeaseLock",
    "Times",
]
