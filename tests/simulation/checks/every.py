"""What must hold, by the invariant that it shows.

I1 to I20 of the list (`docs/invariants.md`), and bounds of single controllers by name.
"""

from collections.abc import Mapping

from tests.simulation.checks import budgets, claims, commits, identities, jobs, nodes, rollouts
from tests.simulation.checks.commits import CommitCheck
from tests.simulation.checks.nodes import VerbCheck

#: looked at whenever something is stored
COMMIT_CHECKS: Mapping[str, tuple[CommitCheck, ...]] = {
    "I1": (commits.bound_once,),
    "I4": (commits.never_replaced,),
    "I8": (commits.within_capacity,),
    "I9": (commits.deletion_stays,),
    "I10": (commits.never_too_many, commits.touches_its_own),
    "I12": (commits.final_phases,),
    "I13": (commits.no_eviction_in_doubt,),
    "I18": (commits.only_the_leader_writes,),
    "preempted": (commits.preempted_for_somebody,),
    "surge": (rollouts.within_surge,),
    "unavailable": (rollouts.enough_available,),
    "counted": (jobs.counted_once, jobs.noted_before_it_goes, jobs.one_an_index),
    "identity": (identities.made_in_order,),
    "one-a-node": (identities.one_a_node,),
    "budget": (budgets.within_budget,),
    "volume": (claims.given_once, claims.stays_while_used),
}
#: looked at before and after whatever a kubelet has its runtime do
VERB_CHECKS: Mapping[str, tuple[VerbCheck, ...]] = {
    "I2": (nodes.one_set_of_containers,),
    "I3": (nodes.own_address,),
    "I11": (nodes.healthy_ones_stay,),
    "I12": (nodes.never_twice,),
    "identity": (identities.one_running_a_name,),
    "volume": (claims.has_its_storage,),
}
