"""What a plugin is made with, besides its arguments: what it may look at that is in no column."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scheduler.framework.waiting_pods import WaitingPods
from scheduler.volumes.catalogue import Catalogue


@dataclass(slots=True)
class Handle:
    """One for all plugins of a process. Read by plugins, filled by the shell."""

    #: storage
    volumes: Catalogue = field(default_factory=Catalogue)
    #: Pods that wait at Permit
    waiting: WaitingPods = field(default_factory=WaitingPods)
    #: says of a Pod (by uid) whether it takes room on a node: bound, or on its way there
    holds: Callable[[str], bool] = lambda _uid: False
    #: a Clientset (`vaina.client.clientset`) of the apiserver, for PreBind and Bind; None where nothing is
    #: bound (a question, a judge)
    clients: Any = None
