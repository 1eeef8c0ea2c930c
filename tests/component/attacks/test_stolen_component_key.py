"""Threat: somebody who has a component's key. They get what its role says, which is what the component needs.

Each key tries every method that the apiserver serves. What is let through is compared with the stored roles by
an evaluator that shares nothing with the apiserver's.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from apiserver.authorization.methods import PER_DOCUMENT, Action, action_of
from tests.support.apiserver import make_apiserver
from tests.support.fresh import fresh
from tests.support.identities import (
    ADMIN,
    CONTROLLER_MANAGER,
    ETCD_CLIENT,
    KUBELET_CLIENT,
    NOBODY,
    SCHEDULER,
)
from tests.support.secured import Caller, Plane, refused
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.errors import AlreadyExists, ApiError, Unauthorized, Unavailable
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, KINDS
from vaina.pki.authority import Profile
from vaina.pki.folder import DENIED, format_serials, write_file
from vaina.serving.handlers import MethodKind
from vaina.testing.builders import make_config_map, make_container, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(170)]

#: there is no such namespace: what is let through changes nothing
NOWHERE = "nowhere"
HANDLERS = make_apiserver().app.handlers
METHODS = sorted(path for path in HANDLERS if path not in PER_DOCUMENT)
#: a stream says at once whether it is let through; then it says nothing for long
STREAM_SECONDS = 3.0
VERSION = "/vaina.api.version.v1.VersionService/Get"
#: calls that are tried at once
AT_ONCE = 16


def request_for(path: str) -> bytes:
    """Return a request of a method that names what is not there."""
    _, service, name = path.split("/")
    method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    request = message_factory.GetMessageClass(method.input_type)()
    _name(request)
    return request.SerializeToString()


def _name(message: Message, depth: int = 0) -> None:
    """Set namespaces, names and selectors wherever a request has them, to what there is not."""
    for field in message.DESCRIPTOR.fields:
        inner: Any = getattr(message, field.name)
        if field.name == "namespace":
            message.namespace = NOWHERE  # type: ignore[attr-defined]  # the field
        elif field.name in {"name", "pod_name", "pod_uid"} and field.type == field.TYPE_STRING:
            setattr(message, field.name, "nothing")
        elif field.name == "label_selector" and field.type == field.TYPE_STRING:
            message.label_selector = "nobody=has-it"  # type: ignore[attr-defined]  # the field
        elif field.name in {
            "object",
            "metadata",
            "eviction",
            "binding",
            "start",
            "requests",
            "bindings",
            "reports",
        }:
            if field.type == field.TYPE_BYTES or depth > 3:
                continue
            target = inner.add() if field.is_repeated else inner
            target.SetInParent()
            _name(target, depth + 1)


async def is_let_through(transport: GrpcTransport, path: str, user: str) -> bool:
    """Say whether authorization lets a call of a method through, whatever becomes of it then."""
    kind, request = HANDLERS[path].kind, request_for(path)
    # An update of what there is not is let through as an update, and refused as a create.
    words = f'User "{user}" cannot {action_of(path).verb} '
    try:
        if kind is MethodKind.UNARY:
            answer = await transport.unary(path, request)
            # The items of a batch are refused one by one.
            return not (path.endswith("Batch") and words.encode() in answer)

        async def requests() -> Any:
            yield request
            await asyncio.Event().wait()

        stream = (
            transport.bidi(path, requests()) if kind is MethodKind.BIDI else transport.stream(path, request)
        )
        first = asyncio.get_running_loop().create_task(anext(stream, None))
        try:
            if not (await asyncio.wait([first], timeout=STREAM_SECONDS))[0]:
                # Unless the machine stands still: who answers a later call has had time for this one.
                await transport.unary(VERSION, b"", timeout=60)
                if not (await asyncio.wait([first], timeout=0.5))[0]:
                    return True
            await first
        finally:
            first.cancel()
            await asyncio.wait([first])
            await stream.aclose()
    except ApiError as error:
        return not (error.code == 403 and words in error.message)
    return True


class Evaluator:
    """What the stored roles allow a user in a namespace that no RoleBinding is in."""

    def __init__(self, roles: Sequence[Any], bindings: Sequence[Any], profile: Profile) -> None:
        groups = {*profile.groups, "system:authenticated"}
        bound = {
            binding.role_ref.name
            for binding in bindings
            for subject in binding.subjects
            if (subject.kind == "User" and subject.name == profile.name)
            or (subject.kind == "Group" and subject.name in groups)
        }
        self.rules = [rule for role in roles if role.metadata.name in bound for rule in role.rules]

    def allows(self, action: Action) -> bool:
        resource = f"{action.resource}/{action.subresource}" if action.subresource else action.resource
        words = {resource, "*", f"*/{action.subresource}" if action.subresource else "*"}
        for rule in self.rules:
            if not {action.verb, "*"} & {*rule.verbs}:
                continue
            if action.path:
                if any(_covers(url, action.path) for url in rule.non_resource_urls):
                    return True
            elif (
                {action.group, "*"} & {*rule.api_groups}
                and words & {*rule.resources}
                and not rule.resource_names
            ):
                return True
        return False


def _covers(url: str, path: str) -> bool:
    return path.startswith(url[:-1]) if url.endswith("*") else url == path


@pytest.mark.parametrize("profile", [SCHEDULER, CONTROLLER_MANAGER, NOBODY], ids=lambda profile: profile.name)
async def test_a_stolen_key_opens_what_its_role_says(plane: Plane, calling: Caller, profile: Profile) -> None:
    admin, transport = calling(ADMIN), calling(profile).transport
    roles = (await admin.kind(CLUSTER_ROLE).list()).items
    bindings = (await admin.kind(CLUSTER_ROLE_BINDING).list()).items
    evaluator = Evaluator(roles, bindings, profile)
    expected = {path: evaluator.allows(action_of(path)) for path in METHODS}
    found: dict[str, bool] = {}
    slots = asyncio.Semaphore(AT_ONCE)

    async def attempt(path: str) -> None:
        async with slots:
            found[path] = await is_let_through(transport, path, profile.name)

    async with plane.unharmed(profile), asyncio.TaskGroup() as group:
        for path in METHODS:
            group.create_task(attempt(path))
    differences = {path: (expected[path], found[path]) for path in METHODS if expected[path] != found[path]}
    assert differences == {}
    # As a check of the check: some of each.
    assert any(found.values())
    assert not all(found.values())


#: by component: what its key must not do, whatever else it needs
NEVER = {
    SCHEDULER.name: [
        "get Secret", "list Secret", "watch Secret", "list ConfigMap", "create Pod", "update Pod", "create Secret",
        "delete Node", "update Node", "create Role", "create ClusterRoleBinding", "delete Namespace", "create Deployment",
        "create PersistentVolume",
    ],
    CONTROLLER_MANAGER.name: [
        "create ClusterRoleBinding", "update ClusterRoleBinding", "create ClusterRole", "update ClusterRole",
        "create RoleBinding", "create Role", "create Node", "create PriorityClass", "create Secret",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name, all_of in NEVER.items() for what in all_of]
)
async def test_a_stolen_key_does_not(plane: Plane, calling: Caller, name: str, what: str) -> None:
    profile = next(each for each in (SCHEDULER, CONTROLLER_MANAGER) if each.name == name)
    verb, kind_name = what.split()
    kind = next(each for each in KINDS if each.kind == kind_name)
    client = calling(profile).kind(kind)
    namespace = "theirs" if kind.namespaced else ""
    made = kind.message()
    made.metadata.name, made.metadata.namespace = "evil", namespace
    attempts = {
        "get": lambda: client.get("password", namespace), "list": lambda: client.list(namespace),
        "watch": lambda: anext(client.watch(namespace)), "create": lambda: client.create(made),
        "update": lambda: client.update(made), "delete": lambda: client.delete("evil", namespace),
    }  # fmt: skip
    async with plane.unharmed(profile):
        # An update of what there is not is a create.
        with refused(403, rf'User "{name}" cannot (create|{verb}) resource "{kind.plural}"'):
            await attempts[verb]()


async def test_who_may_update_all_kinds_grants_nothing_by_it(plane: Plane, calling: Caller) -> None:
    """The garbage collector updates owners of any object; roles and bindings are looked at more closely."""
    manager = calling(CONTROLLER_MANAGER)
    binding = await calling(ADMIN).kind(CLUSTER_ROLE_BINDING).get("cluster-admin")
    role = await calling(ADMIN).kind(CLUSTER_ROLE).get("system:kube-controller-manager")
    binding.subjects.add(kind="User", name=CONTROLLER_MANAGER.name, api_group="rbac.authorization.k8s.io")
    role.rules.add(verbs=["*"], api_groups=["*"], resources=["*"])
    async with plane.unharmed(CONTROLLER_MANAGER):
        with refused(403, "is attempting to grant RBAC permissions not currently held"):
            await manager.kind(CLUSTER_ROLE_BINDING).update(binding)
        with refused(403, "is attempting to grant RBAC permissions not currently held"):
            await manager.kind(CLUSTER_ROLE).update(role)


async def test_the_scheduler_gives_nobody_a_pod_of_its_own_making(plane: Plane, calling: Caller) -> None:
    """Binding is all that it does to a Pod: neither what runs there nor as whom changes."""
    scheduler, admin = calling(SCHEDULER), calling(ADMIN)
    pending = fresh("pending")
    await admin.pods.create(make_pod(pending, "theirs", containers=[make_container("app")]))
    async with plane.unharmed(SCHEDULER):
        for patch in (
            '{"spec":{"containers":[{"name":"app","image":"evil"}]}}',
            '{"metadata":{"labels":{"a":"b"}}}',
        ):
            with refused(403):
                await scheduler.pods.patch(pending, patch, namespace="theirs")
    await admin.pods.delete(pending, "theirs", grace_period_seconds=0)


async def test_leaders_leases_are_each_components_own(plane: Plane, calling: Caller) -> None:
    leases = {SCHEDULER: "kube-controller-manager", CONTROLLER_MANAGER: "kube-scheduler"}
    admin = calling(ADMIN)
    made = admin.leases.kind.message()
    made.metadata.namespace = "kube-system"
    for name in leases.values():
        made.metadata.name = name
        with suppress(AlreadyExists):
            await admin.leases.create(made)
    async with plane.unharmed(*leases):
        for profile, name in leases.items():
            with refused(403):
                await calling(profile).leases.patch(
                    name, '{"spec":{"holderIdentity":"evil"}}', namespace="kube-system"
                )
    for name in leases.values():
        await admin.leases.delete(name, "kube-system")


@pytest.mark.parametrize(("profile", "signer"), [(ETCD_CLIENT, "etcd"), (KUBELET_CLIENT, "kubelet_client")])
@pytest.mark.parametrize("as_signer", [True, False])
async def test_a_key_for_one_port_opens_no_other(
    plane: Plane, calling: Caller, profile: Profile, signer: str, as_signer: bool
) -> None:
    """Neither as it is, nor would its name count for anything at the apiserver."""
    if as_signer:
        async with plane.nothing_changed():
            with pytest.raises(Unavailable):
                await calling(profile, signer=signer).secrets.list()
        return
    async with plane.unharmed(profile):
        with refused(403):
            await calling(profile).secrets.list()


async def test_an_etcd_client_without_an_authority_of_etcd_writes_nothing(plane: Plane) -> None:
    from aetcd.rpc import rpc_pb2

    async with plane.nothing_changed():
        for signer in ("cluster", "kubelet_client", "foreign"):
            credentials = plane.identities.credentials(ETCD_CLIENT, signer=signer, trusts="etcd")
            async with plane.etcd.kv(credentials) as kv:
                with pytest.raises(Exception, match=r"UNAVAILABLE|handshake|connect"):
                    await kv.Put(
                        rpc_pb2.PutRequest(key=b"/registry/configmaps/default/evil", value=b"x"), timeout=60
                    )


async def to_the_end(watch: AsyncGenerator[Any, None]) -> None:
    async for _ in watch:
        pass


async def test_a_stolen_key_is_denied_within_a_minute(plane: Plane, calling: Caller) -> None:
    """Calls and open watches end, of whoever has the certificate, and of nobody else."""
    thief, seen = Profile("kubernetes-admin", ("system:masters", fresh("stolen"))), fresh("seen")
    stolen = plane.identities.credentials(thief)
    admin = calling(ADMIN)
    async with Clientset(GrpcTransport(plane.apiserver.target, stolen)) as client:
        watch = client.config_maps.watch("theirs", resource_version="1")
        others = admin.config_maps.watch("theirs", resource_version="1")
        await anext(watch)
        await anext(others)
        assert (await client.secrets.list("theirs")).items
        serial = x509.load_pem_x509_certificate(stolen.current().certificate).serial_number
        write_file(plane.apiserver.cert_dir / DENIED, format_serials([serial]))
        try:
            async with plane.unharmed(), asyncio.timeout(60):
                with pytest.raises(Unauthorized, match="the certificate of kubernetes-admin is denied"):
                    await to_the_end(watch)
                for _ in range(3):
                    with refused(401, "is denied"):
                        await client.secrets.list("theirs")
            async with asyncio.timeout(60):
                changed = await admin.config_maps.create(make_config_map(seen, "theirs"))
                while changed.metadata.name not in {
                    event.object.metadata.name for event in (await anext(others)).events
                }:
                    pass
        finally:
            (plane.apiserver.cert_dir / DENIED).unlink()
        await admin.config_maps.delete(seen, "theirs")


async def test_a_certificate_that_expires_ends_what_is_open(plane: Plane) -> None:
    # On a machine that stands still one may have expired before the watch is open: then one that holds longer.
    for seconds in (4, 8, 16, 32):
        short = plane.identities.credentials(
            Profile("kubernetes-admin", ("system:masters", fresh("short"))), seconds=seconds
        )
        async with Clientset(GrpcTransport(plane.apiserver.target, short)) as client, asyncio.timeout(60):
            watch = client.config_maps.watch("theirs", resource_version="1")
            try:
                await anext(watch)
            except (Unauthorized, Unavailable):
                continue
            with pytest.raises(Unauthorized, match="has expired"):
                await to_the_end(watch)
            with pytest.raises((Unauthorized, Unavailable)):
                await client.secrets.list("theirs")
            return
    raise AssertionError("no watch was opened in time")


async def test_a_changed_folder_that_cannot_be_read_lets_nobody_in(plane: Plane, calling: Caller) -> None:
    """What the folder held counts on: nobody else is let in, and nobody who belongs is kept out."""
    path = plane.apiserver.cert_dir / "ca.crt"
    kept = path.read_bytes()
    try:
        write_file(path, b"not a certificate")
        async with plane.nothing_changed():
            with pytest.raises(Unavailable):
                await calling(ADMIN, signer="foreign").secrets.list()
            with pytest.raises(Unavailable):
                await calling(None).secrets.list()
            assert await calling(ADMIN).secrets.list("theirs")
    finally:
        write_file(path, kept)
