"""What a call asks for: the question that every authorizer answers."""

from typing import NamedTuple

from vaina.serving.handlers import User


class Attributes(NamedTuple):
    """One question, in the words of upstream's `authorizer.Attributes`: who wants to do what, with which object.

    Like upstream's REST paths, a create names no object, and neither do lists, watches and deletions of
    collections, unless a list or a watch selects `metadata.name` (apiserver `endpoints/request/requestinfo.go`).
    """

    user: User
    verb: str
    group: str = ""
    #: the plural; empty: the question is about `path`
    resource: str = ""
    subresource: str = ""
    #: empty: the cluster, or all namespaces
    namespace: str = ""
    #: empty: all objects, or one that is not made yet
    name: str = ""
    #: what is no resource: /version
    path: str = ""
    #: of a list, a watch or a deletion of a collection, as they were sent
    field_selector: str = ""
    label_selector: str = ""

    @property
    def combined(self) -> str:
        """The resource as rules name it: pods, pods/log."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource
