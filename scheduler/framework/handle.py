"""What a plugin is made with, besides its arguments: what it may look at that is in no column."""

from dataclasses import dataclass, field

from scheduler.volumes.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Handle:
    """One for all plugins of a process. Read by plugins, filled by the shell."""

    #: storage
    volumes: Catalogue = field(default_factory=Catalogue)
