"""Rules of roles as values: whether some cover others, in which pieces, how they are written. PURE.

Follows component-helpers `auth/rbac/validation/policy_comparator.go`,
`pkg/registry/rbac/validation/policy_compact.go` and `pkg/apis/rbac/v1/evaluation_helpers.go`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from vaina.api.rbac.v1 import rbac_pb2
from vaina.quoting import go_quote

ALL: Final = "*"


class Rule(NamedTuple):
    """A PolicyRule."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    #: empty: all objects
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write it as in refusals: {APIGroups:[""], Resources:["pods"], Verbs:["get"]} (CompactString)."""
        fields = (
            ("APIGroups", self.groups), ("Resources", self.resources), ("NonResourceURLs", self.urls),
            ("ResourceNames", self.names), ("Verbs", self.verbs),
        )  # fmt: skip
        return f"{{{', '.join(f'{name}:{quoted(values)}' for name, values in fields if values)}}}"


#: everything there is
FULL_AUTHORITY: Final = (Rule((ALL,), (ALL,), (ALL,)), Rule((ALL,), urls=(ALL,)))


def quoted(texts: Iterable[str]) -> str:
    """Write texts as Go's %q writes a slice."""
    return f"[{' '.join(map(go_quote, texts))}]"


def rules_of(messages: Iterable[rbac_pb2.PolicyRule]) -> tuple[Rule, ...]:
    """Return the rules of a role."""
    return tuple(
        Rule(
            tuple(one.verbs), tuple(one.api_groups), tuple(one.resources), tuple(one.resource_names),
            tuple(one.non_resource_urls),
        )
        for one in messages
    )  # fmt: skip


def message_of(rule: Rule) -> rbac_pb2.PolicyRule:
    """Return a rule as a role holds it."""
    return rbac_pb2.PolicyRule(
        verbs=rule.verbs, api_groups=rule.groups, resources=rule.resources, resource_names=rule.names,
        non_resource_urls=rule.urls,
    )  # fmt: skip


def url_covers(owned: str, url: str) -> bool:
    """Say whether a rule's URL means another one, or all that another one means."""
    return owned in (ALL, url) or (owned.endswith("*") and url.startswith(owned.rstrip("*")))


def missing(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return what of the wanted rules the owned ones do not cover, in the smallest pieces (Covers)."""
    return [
        piece
        for rule in wanted
        for piece in pieces(rule)
        if not any(_covers(owner, piece) for owner in owned)
    ]


def pieces(rule: Rule) -> Iterator[Rule]:
    """Break a rule down to rules of one verb, one resource and at most one name (BreakdownRule), each once."""
    verbs, groups, resources, names, urls = map(dict.fromkeys, rule)
    for group in groups:
        for resource in resources:
            for verb in verbs:
                piece = Rule((verb,), (group,), (resource,))
                yield from [piece._replace(names=(name,)) for name in names] or (piece,)
    for url in urls:
        for verb in verbs:
            yield Rule((verb,), urls=(url,))


def count_pieces(rule: Rule) -> int:
    """Return how many pieces a rule has; a rule of a few kilobytes may have millions."""
    verbs, groups, resources, names, urls = (len(set(words)) for words in rule)
    return verbs * (groups * resources * max(names, 1) + urls)


def _covers(owner: Rule, piece: Rule) -> bool:
    verb = piece.verbs[0]
    if verb not in owner.verbs and ALL not in owner.verbs:
        return False
    if piece.urls:
        return any(url_covers(url, piece.urls[0]) for url in owner.urls)
    group, resource = piece.groups[0], piece.resources[0]
    if group not in owner.groups and ALL not in owner.groups:
        return False
    if owner.names and not (piece.names and piece.names[0] in owner.names):
        return False
    _, slash, subresource = resource.partition("/")
    known = (ALL, resource, f"*/{subresource}") if slash else (ALL, resource)
    return any(one in owner.resources for one in known)


def compact(rules: Iterable[Rule]) -> list[Rule]:
    """Join rules of one resource and at most one name that differ in their verbs alone (CompactRules)."""
    joined: dict[tuple[tuple[str, ...], ...], dict[str, None]] = {}
    others: list[Rule] = []
    for rule in rules:
        if rule.urls or len(rule.groups) != 1 or len(rule.resources) != 1 or len(rule.names) > 1:
            others.append(rule)
            continue
        joined.setdefault(rule[1:4], {}).update(dict.fromkeys(rule.verbs))
    return others + [Rule(tuple(verbs), *place) for place, verbs in joined.items()]
