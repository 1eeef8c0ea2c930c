"""`vaina apply --server-side`: the server merges, and keeps who owns which fields.

Follows `kubectl/pkg/cmd/apply/apply.go`, with its texts. The field manager is kubectl's, so that both
commands own the same fields, and the server brings the annotation of client-side apply up to date. What
client-side apply owned is given to it once.
"""

import copy
from dataclasses import dataclass
from typing import Any, Final

from cli.failures import Failure
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import ApiError, Conflict
from vaina.kinds import Kind
from vaina.objects.encode import message_to_dict
from vaina.objects.managed_fields.field_set import FieldSetError
from vaina.objects.managed_fields.manager import KUBECTL
from vaina.objects.managed_fields.migration import LAST_APPLIED_PATH, owners_of, upgraded
from vaina.objects.managed_fields.updater import APPLY, UPDATE
from vaina.objects.manifest import Decoded, write_json
from vaina.objects.patching import JSON_PATCH
from vaina.objects.rollouts import LAST_APPLIED

#: owns the annotation of client-side apply, so that it stays
_ANNOTATION_MANAGER: Final = "kubectl-last-applied"
#: as often as kubectl tries again when others write meanwhile
_TRIES: Final = 5
_ADVICE: Final = """
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""


@dataclass(frozen=True, slots=True)
class ServerSide:
    """How to apply on the server."""

    manager: str = KUBECTL
    force: bool = False
    dry_run: bool = False
    #: Strict, Warn or Ignore
    validation: str = "Strict"


async def apply_one(shell: Shell, clients: Clientset, found: Decoded, how: ServerSide) -> Any:
    """Apply an object, which has its namespace, and return it. Raises ApiError; Failure: conflicts, no name."""
    meta: Any = found.message.metadata  # type: ignore[attr-defined]  # every kind has metadata
    if not meta.name and meta.generate_name:
        raise Failure(f"from {meta.generate_name}: cannot use generate name with apply")
    tree = copy.deepcopy(dict(found.source))
    if found.kind.namespaced:
        tree["metadata"]["namespace"] = meta.namespace
    one = _One(clients.kind(found.kind), found.kind, meta.name, meta.namespace, write_json(tree), how)
    try:
        made = await one.apply()
    except Conflict as error:
        raise Failure(f"{error.message}{_ADVICE}") from error
    return made if how.dry_run else await one.migrated(shell, made)


@dataclass(frozen=True, slots=True)
class _One:
    """One object that is applied."""

    client: ResourceClient[Any]
    kind: Kind[Any]
    name: str
    namespace: str
    text: str
    how: ServerSide

    async def apply(self) -> Any:
        return await self._apply(self.text, self.how.manager, force=self.how.force)

    async def _apply(self, text: str, manager: str, *, force: bool) -> Any:
        return await self.client.apply(
            self.name, text, field_manager=manager, force=force, namespace=self.namespace,
            dry_run=self.how.dry_run, field_validation=self.how.validation,
        )  # fmt: skip

    async def migrated(self, shell: Shell, made: Any) -> Any:
        """Give what client-side apply owned to server-side apply, and apply again: fields that left go now.

        What fails is a warning, for the object is applied; the next apply tries again.
        """
        doing = "failed to migrate kubectl.kubernetes.io/last-applied-configuration for Server-Side Apply"
        try:
            made = await self._keep_annotation(made)
            doing = "server rejected managed fields migration to Server-Side Apply"
            moved = await self._move(made)
            if moved is None:
                return made
            doing = "failed to re-apply configuration after performing Server-Side Apply migration"
            return await self.apply()
        except (ApiError, FieldSetError) as error:
            shell.warn(f"{doing}. This is non-fatal and will be retried next time you apply. Error: {error}")
            return made

    async def _keep_annotation(self, made: Any) -> Any:
        """Have the annotation owned by a manager of its own (saveLastApplyAnnotationIfNecessary)."""
        annotation = made.metadata.annotations.get(LAST_APPLIED)
        owned = owners_of(made.metadata.managed_fields, APPLY, LAST_APPLIED_PATH)
        if self.how.manager != KUBECTL or annotation is None or owned:
            return made
        meta = {"name": self.name, "annotations": {LAST_APPLIED: annotation}}
        if self.namespace:
            meta["namespace"] = self.namespace
        tree = {"apiVersion": self.kind.api_version, "kind": self.kind.kind, "metadata": meta}
        return await self._apply(write_json(tree), _ANNOTATION_MANAGER, force=False)

    async def _move(self, made: Any) -> Any:
        """Move the fields; return the object, or None when there was nothing to do (migrateToSSAIfNecessary)."""
        old = {e.manager for e in owners_of(made.metadata.managed_fields, UPDATE, LAST_APPLIED_PATH)}
        for last in reversed(range(_TRIES)):
            entries = upgraded(made.metadata.managed_fields, old, self.how.manager)
            if entries == list(made.metadata.managed_fields):
                return None
            patch = [
                {"op": "replace", "path": "/metadata/managedFields", "value": [message_to_dict(e) for e in entries]},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": made.metadata.resource_version},
            ]  # fmt: skip
            try:
                return await self.client.patch(
                    self.name, write_json(patch), patch_type=JSON_PATCH, namespace=self.namespace,
                    field_manager=self.how.manager,
                )  # fmt: skip
            except Conflict:
                if not last:
                    raise
                made = await self.client.get(self.name, self.namespace)
        return None
