"""How a service says whether and how it is elected.

The fields that its configuration inherits, under upstream's names.

kube-scheduler and kube-controller-manager have them as --leader-elect, --leader-elect-lease-duration and so on
(component-base/config/options/leaderelectionconfig.go).
"""

import msgspec

from vaina.leaderelection.elector import Times


class LeaderElectionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of a service that may run several times; times in seconds."""

    #: of several processes only an elected one works
    leader_elect: bool = True
    #: how long the others wait after the leader last renewed its Lease
    leader_elect_lease_duration_seconds: float = 15.0
    #: a leader that could not renew its Lease for so long stops
    leader_elect_renew_deadline_seconds: float = 10.0
    #: time between two tries to get or renew the Lease
    leader_elect_retry_period_seconds: float = 2.0
    #: name of the Lease
    leader_elect_resource_name: str = ""
    #: namespace of the Lease
    leader_elect_resource_namespace: str = "kube-system"

    def leader_election_times(self) -> Times:
        """Return the times. Raises ValueError when two could lead with them."""
        return Times(
            self.leader_elect_lease_duration_seconds,
            self.leader_elect_renew_deadline_seconds,
            self.leader_elect_retry_period_seconds,
        )
