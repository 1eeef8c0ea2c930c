"""Each Pod has a ServiceAccount, and finds a token of it in its containers.

Follows `plugin/pkg/admission/serviceaccount/admission.go`. It is on where tokens are configured alone, and
upstream's always (decision 267). The name of the volume ends in letters that follow from the account; upstream
draws them for each Pod. So Pods of one template stay alike, and are checked once.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from random import Random
from typing import Any, Final, cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from apiserver.authorization.node.references import SECRETS, pod_references
from vaina.api.core.v1 import pod_pb2, service_account_pb2, volume_pb2
from vaina.clock import Clock
from vaina.errors import ApiError, Forbidden
from vaina.kinds import POD
from vaina.objects import names
from vaina.objects.pods import is_mirror
from vaina.objects.service_accounts import (
    DEFAULT_ACCOUNT,
    ENFORCE_MOUNTABLE_SECRETS,
    MOUNT_PATH,
    MOUNTED_SECONDS,
    ROOT_CA,
    ROOT_CA_KEY,
)

Account = service_account_pb2.ServiceAccount

_VOLUME: Final = "kube-api-access-"
_MODE: Final = 0o644
#: of upstream's generated names (apimachinery `util/rand`)
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_EPHEMERAL: Final = "ephemeralcontainers"
#: how often the account `default` of a new namespace, which a controller makes, is looked for, and how long the
#: waits between are
_TRIES: Final = 10
_WAIT_SECONDS: Final = (0.1, 0.2)
#: a namespace where it did not come is not waited for again so soon: else each Pod of a batch would wait
_PAUSE_SECONDS: Final = 5.0
#: such namespaces that are remembered
_MAX_MISSED: Final = 1024
#: words that strconv.ParseBool takes for true
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))


class ServiceAccounts:
    """The plugin. Owned by one event loop."""

    ignores_names = True

    def __init__(self, accounts: Followed[Account], clock: Clock, rng: Random) -> None:
        self._accounts, self._clock, self._rng = accounts, clock, rng
        #: namespace -> until when its `default` is not waited for
        self._missed: dict[str, float] = {}

    async def admit(self, attributes: Attributes) -> None:
        """Give a new Pod its account, and what follows from that. Raises Forbidden, ApiError."""
        if attributes.kind is not POD:
            return
        if attributes.operation is Operation.UPDATE and attributes.subresource == _EPHEMERAL:
            attributes.checks.append(lambda new, _: self._check_ephemeral(attributes, new))
        if attributes.operation is not Operation.CREATE:
            return
        pod = cast("pod_pb2.Pod", attributes.object)
        if is_mirror(pod):
            _check_mirror(attributes, pod)
            return
        spec = pod.spec
        # The old name of the field counts where the new one is empty (conversion to the internal PodSpec).
        name = spec.service_account_name or spec.service_account or DEFAULT_ACCOUNT
        spec.service_account_name = spec.service_account = name
        account = await self._account(attributes, name)
        if _automounts(spec, account):
            mount_token(spec, account)
        if not spec.image_pull_secrets:
            for reference in account.image_pull_secrets:
                spec.image_pull_secrets.add(name=reference.name)
        if _is_limited(account):
            _limit_secrets(attributes, spec, account)

    async def _account(self, attributes: Attributes, name: str) -> Account:
        """Return an account. Raises Forbidden: there is none."""
        namespace = attributes.namespace
        found = None
        # What is no name is not looked for.
        if not names.dns_1123_subdomain(name):
            try:
                found = await self._accounts.get(name, namespace)
                if found is None and name == DEFAULT_ACCOUNT:
                    found = await self._wait_for_default(namespace)
            except ApiError as error:
                if not isinstance(error, Forbidden):
                    raise
                raise attributes.forbidden(
                    f"error looking up service account {namespace}/{name}: {error.message}"
                ) from error
        if found is None:
            raise attributes.forbidden(
                f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            )
        return found

    async def _wait_for_default(self, namespace: str) -> Account | None:
        now = self._clock.monotonic()
        if now < self._missed.get(namespace, 0.0):
            return None
        for _ in range(_TRIES - 1):
            await self._clock.sleep(self._rng.uniform(*_WAIT_SECONDS))
            found = await self._accounts.find(DEFAULT_ACCOUNT, namespace)
            if found is not None:
                self._missed.pop(namespace, None)
                return found
        if len(self._missed) >= _MAX_MISSED:
            self._missed.clear()
        self._missed[namespace] = self._clock.monotonic() + _PAUSE_SECONDS
        return None

    def _check_ephemeral(self, attributes: Attributes, pod: pod_pb2.Pod) -> None:
        """Check added containers, where an account limits the Secrets of its Pods. Raises Forbidden."""
        name = pod.spec.service_account_name
        account = self._accounts.peek(name, attributes.namespace) if name else None
        if account is not None and _is_limited(account):
            added = [one.ephemeral_container_common for one in pod.spec.ephemeral_containers]
            _limit_environment(attributes, "ephemeral container", added, account)


def _automounts(spec: pod_pb2.PodSpec, account: Account) -> bool:
    """Say whether a Pod gets a token: as it wants, or else as its account does."""
    for asked in (spec, account):
        if asked.HasField("automount_service_account_token"):
            return bool(asked.automount_service_account_token)
    return True


def mount_token(spec: pod_pb2.PodSpec, account: Account) -> None:
    """Mount token, authority and namespace into each container that has nothing in their place."""
    given = next((volume.name for volume in spec.volumes if volume.name.startswith(_VOLUME)), "")
    volume = _volume(account.metadata.uid)
    name, is_used = given or volume.name, False
    for container in (*spec.init_containers, *spec.containers):
        if all(mount.mount_path != MOUNT_PATH for mount in container.volume_mounts):
            container.volume_mounts.add(name=name, read_only=True, mount_path=MOUNT_PATH)
            is_used = True
    if is_used and not given:
        spec.volumes.append(volume)


@lru_cache(maxsize=1024)
def _volume(uid: str) -> volume_pb2.Volume:
    """Return the volume of an account's Pods."""
    made = volume_pb2.Volume(name=f"{_VOLUME}{_suffix(uid)}")
    projected = made.volume_source.projected
    projected.default_mode = _MODE
    token = projected.sources.add().service_account_token
    token.path, token.expiration_seconds = "token", MOUNTED_SECONDS
    authority = projected.sources.add().config_map
    authority.local_object_reference.name = ROOT_CA
    authority.items.add(key=ROOT_CA_KEY, path=ROOT_CA_KEY)
    namespace = projected.sources.add().downward_api.items.add(path="namespace")
    namespace.field_ref.api_version, namespace.field_ref.field_path = "v1", "metadata.namespace"
    return made


def _suffix(uid: str) -> str:
    number = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
    letters: list[str] = []
    for _ in range(5):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)


def _check_mirror(attributes: Attributes, pod: pod_pb2.Pod) -> None:
    """Refuse what a Pod may not have that a node made of a file. Raises Forbidden."""
    if pod.spec.service_account_name or pod.spec.service_account:
        raise attributes.forbidden("a mirror pod may not reference service accounts")
    if any(plural == SECRETS and name for plural, name in pod_references(pod)):
        raise attributes.forbidden("a mirror pod may not reference secrets")
    if any(
        source.HasField("service_account_token")
        for volume in pod.spec.volumes
        for source in volume.volume_source.projected.sources
    ):
        raise attributes.forbidden("a mirror pod may not use ServiceAccountToken volume projections")


def _is_limited(account: Account) -> bool:
    return account.metadata.annotations.get(ENFORCE_MOUNTABLE_SECRETS, "") in _TRUE


def _limit_secrets(attributes: Attributes, spec: pod_pb2.PodSpec, account: Account) -> None:
    """Refuse Secrets that the account does not name (limitSecretReferences). Raises Forbidden."""
    may, own = {one.name for one in account.secrets}, account.metadata.name
    for volume in spec.volumes:
        source = volume.volume_source
        if source.HasField("secret") and source.secret.secret_name not in may:
            raise attributes.forbidden(
                f'volume with secret.secretName="{source.secret.secret_name}" is not allowed because service account '
                f"{own} does not reference that secret"
            )
    for words, containers in (("init container", spec.init_containers), ("container", spec.containers)):
        _limit_environment(attributes, words, containers, account)
    pulls = {one.name for one in account.image_pull_secrets}
    for index, reference in enumerate(spec.image_pull_secrets):
        if reference.name not in pulls:
            raise attributes.forbidden(
                f'imagePullSecrets[{index}].name="{reference.name}" is not allowed because service account {own} does '
                "not reference that imagePullSecret"
            )


def _limit_environment(
    attributes: Attributes, words: str, containers: Iterable[Any], account: Account
) -> None:
    may, own = {one.name for one in account.secrets}, account.metadata.name
    for container in containers:
        for variable, name in _secrets_of(container):
            if name not in may:
                where = f"with envVar {variable} referencing" if variable else "with envFrom referencing"
                raise attributes.forbidden(
                    f'{words} {container.name} {where} secret.secretName="{name}" is not allowed because service account '
                    f"{own} does not reference that secret"
                )


def _secrets_of(container: Any) -> Iterator[tuple[str, str]]:
    """Yield the variable (empty: a whole Secret of them) and the Secret of each reference of a container."""
    for variable in container.env:
        if variable.HasField("value_from") and variable.value_from.HasField("secret_key_ref"):
            yield variable.name, variable.value_from.secret_key_ref.local_object_reference.name
    for source in container.env_from:
        if source.HasField("secret_ref"):
            yield "", source.secret_ref.local_object_reference.name
