"""Who decides, as the configuration says, in upstream's words (`pkg/kubeapiserver/authorizer`)."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from apiserver.authorization.authorizer import AlwaysAllow, Authorizer, Union
from apiserver.authorization.following import feed_graph, follow_roles
from apiserver.authorization.node.authorizer import NodeAuthorizer
from apiserver.authorization.node.graph import Graph
from apiserver.authorization.rbac.roles import Roles
from apiserver.config import ApiserverConfig
from apiserver.storage.cacher import Cacher
from vaina.config import ConfigError

ALWAYS_ALLOW, NODE, RBAC = "AlwaysAllow", "Node", "RBAC"
_SECURE: Final = (NODE, RBAC)


class Authorization(NamedTuple):
    """Who decides, and the roles where they count."""

    authorizer: Authorizer
    roles: Roles | None


def authorization(config: ApiserverConfig, storage: Cacher) -> Authorization:
    """Make the authorizers, which follow a watch cache that does not run yet. Raises ConfigError."""
    modes = config.authorization_mode or (_SECURE if config.cert_dir else (ALWAYS_ALLOW,))
    return of_modes(modes, storage)


def of_modes(modes: Sequence[str], storage: Cacher) -> Authorization:
    """Make the authorizers of some modes, in their order. Raises ConfigError."""
    roles = Roles() if RBAC in modes else None
    if roles is not None:
        follow_roles(roles, storage)

    def node() -> Authorizer:
        graph = Graph()
        feed_graph(graph, storage)
        return NodeAuthorizer(graph)

    known: dict[str, Callable[[], Authorizer]] = {ALWAYS_ALLOW: AlwaysAllow, NODE: node}
    if roles is not None:
        known[RBAC] = lambda: roles
    unknown = [mode for mode in modes if mode not in known]
    if unknown:
        raise ConfigError(
            f"authorization_mode: unknown authorization mode {unknown[0]}: AlwaysAllow, Node or RBAC"
        )
    return Authorization(Union([known[mode]() for mode in modes]), roles)
