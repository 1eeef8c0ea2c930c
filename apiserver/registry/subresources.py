"""Which sub-resources a kind has, and what can be done with them. Pure; called by `store` and the services.

Follows apiserver `endpoints/installer.go`: each is served by those methods that its storage has, and a patch
needs a Get and an Update (`pkg/registry/rest`, Patcher).
"""

from typing import Any, Final

from apiserver.registry.strategy import M, Strategy, Subresource
from vaina.errors import BadRequest, MethodNotSupported, NotFound
from vaina.kinds import Kind

STATUS: Final = "status"
_SCALE: Final = "scale"


def part_of(kind: Kind[M], strategy: Strategy[M], name: str) -> Subresource[M] | None:
    """Return what a sub-resource but `status` changes; None: the object itself. Raises BadRequest, NotFound."""
    if not name:
        return None
    found = strategy.subresources.get(name)
    if found is not None:
        return found
    if name == _SCALE and kind.has_scale:
        raise BadRequest(
            'subresource: "scale" is a Scale, and has methods of its own: GetScale, UpdateScale, PatchScale'
        )
    raise NotFound("the server could not find the requested resource")


def check_has_get(kind: Kind[Any], strategy: Strategy[Any], name: str) -> None:
    """Refuse to read or patch what has no Get upstream. Raises BadRequest, NotFound, MethodNotSupported."""
    if name == STATUS and kind.has_status:
        return
    part = part_of(kind, strategy, name)
    if part is not None and not part.has_get:
        raise MethodNotSupported("the server does not allow this method on the requested resource")
