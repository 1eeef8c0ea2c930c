"""How the rules of the default roles are written: in words, with upstream's groups and verbs. Pure.

Follows the builder of `pkg/apis/rbac/v1/helpers.go`, and the names of
`plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from vaina.kinds import Kind
from vaina.objects.rules import Rule

Rules = Sequence[Rule]

GROUP: Final = "rbac.authorization.k8s.io"
CERTIFICATES: Final = "certificates.k8s.io"
STORAGE: Final = "storage.k8s.io"
DISCOVERY: Final = "discovery.k8s.io"
NETWORKING: Final = "networking.k8s.io"
RESOURCE: Final = "resource.k8s.io"
REVIEWS: Final = "authorization.k8s.io"
#: Events are asked for under both (`vaina/objects/views/`)
EVENT_GROUPS: Final = ("", "events.k8s.io")

READ: Final = "get list watch"
WRITE: Final = "create update patch delete deletecollection"
READ_WRITE: Final = f"{READ} {WRITE}"


def rule(verbs: str, group: str | tuple[str, ...], resources: str, names: str = "") -> Rule:
    """Make a rule of words, in the order in which upstream's builder has them; `group` may be several."""
    words = (tuple(sorted(text.split())) for text in (verbs, resources, names))
    sorted_verbs, sorted_resources, sorted_names = words
    groups = (group,) if isinstance(group, str) else group
    return Rule(sorted_verbs, groups, sorted_resources, sorted_names)


def urls(paths: str) -> Rule:
    """Make the rule for reading some paths, in words."""
    return Rule(("get",), urls=tuple(sorted(paths.split())))


def of_kinds(verbs: str, kinds: Iterable[Kind[Any]]) -> Rules:
    """Make the rules for all objects of some kinds, and for none of their sub-resources."""
    groups: dict[str, list[str]] = {}
    for kind in kinds:
        groups.setdefault(kind.group, []).append(kind.plural)
    return [rule(verbs, group, " ".join(plurals)) for group, plurals in groups.items()]


EVENTS: Final = rule("create update patch", EVENT_GROUPS, "events")
#: of our own components, which patch none
OWN_EVENTS: Final = rule("create update", "", "events")
