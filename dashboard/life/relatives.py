"""Shell of `family`: asks for the owners of a Pod, and for what they own."""

from collections.abc import Sequence
from typing import Any

from dashboard.life.family import (
    MAKES,
    MAX_CHILDREN,
    MAX_DEPTH,
    READ,
    Family,
    Owner,
    children_of,
    controller_of,
    selector_of,
)
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import NotFound
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, Kind


async def find_family(clients: Clientset, pod: pod_pb2.Pod) -> Family:
    """Return the owners of a Pod with their children, and what it owns. Raises ApiError."""
    namespace, owners = pod.metadata.namespace, list[Owner]()
    obj: Any = pod
    while (reference := controller_of(obj)) is not None and len(owners) < MAX_DEPTH:
        kind = READ.get(reference.kind)
        obj = await _get(clients, kind, reference.name, namespace) if kind is not None else None
        if obj is None or obj.metadata.uid != reference.uid:
            owners.append(Owner(reference.kind, reference.name, reference.uid))
            break
        makes = MAKES[reference.kind]
        children, more = await _children(clients, makes, obj)
        owners.append(Owner(reference.kind, reference.name, reference.uid, True, makes.kind, children, more))
    claims = await _claims(clients, pod)
    return Family(owners, [(PERSISTENT_VOLUME_CLAIM.kind, claim) for claim in claims])


async def _get(clients: Clientset, kind: Kind[Any], name: str, namespace: str) -> Any:
    try:
        return await clients.kind(kind).get(name, namespace)
    except NotFound:
        return None


async def _children(clients: Clientset, kind: Kind[Any], owner: Any) -> tuple[Sequence[Any], bool]:
    # A page: an owner of thousands is not read as a whole for each who looks.
    page = await clients.kind(kind).list_page(
        owner.metadata.namespace, label_selector=selector_of(owner), limit=MAX_CHILDREN * 4
    )
    owned = children_of(owner, page.items)
    return owned[:MAX_CHILDREN], len(owned) > MAX_CHILDREN or bool(page.continue_token)


async def _claims(clients: Clientset, pod: pod_pb2.Pod) -> Sequence[Any]:
    """Return the claims that were made for the Pod's ephemeral volumes, which it owns."""
    names = [one.name for one in pod.spec.volumes if one.volume_source.HasField("ephemeral")][:MAX_CHILDREN]
    found = [
        await _get(clients, PERSISTENT_VOLUME_CLAIM, f"{pod.metadata.name}-{name}", pod.metadata.namespace)
        for name in names
    ]
    return children_of(pod, [one for one in found if one is not None])
