"""What is said when an apply wants fields that others own. Follows apimachinery
`util/managedfields/internal/conflict.go`.
"""

import json

from vaina.errors import Conflict as ConflictError
from vaina.errors import FieldError
from vaina.objects.managed_fields.field_set import path_text
from vaina.objects.managed_fields.updater import UPDATE, Conflict, Conflicts, Manager
from vaina.quoting import go_quote

#: the type of the causes
FIELD_MANAGER_CONFLICT = "FieldManagerConflict"


def identifier(manager: Manager) -> str:
    """Return the text by which upstream sorts managers."""
    parts = {
        "manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version,
        "subresource": manager.subresource,
    }  # fmt: skip
    return json.dumps({name: part for name, part in parts.items() if part}, separators=(",", ":"))


def manager_text(manager: Manager) -> str:
    """Name a manager: "kubectl" with subresource "status" using apps/v1."""
    text = go_quote(manager.name)
    if manager.subresource:
        text += f" with subresource {go_quote(manager.subresource)}"
    return f"{text} using {manager.api_version}" if manager.operation == UPDATE else text


def conflict_error(found: Conflicts) -> ConflictError:
    """Return the refusal of an apply, with a cause for each field."""
    conflicts = sorted(found.conflicts, key=lambda conflict: identifier(conflict.manager))
    causes = [
        FieldError(
            FIELD_MANAGER_CONFLICT,
            path_text(conflict.path),
            f"conflict with {manager_text(conflict.manager)}",
        )
        for conflict in conflicts
    ]
    return ConflictError(_message(conflicts), causes=causes)


def _message(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        [one] = conflicts
        return (
            f"Apply failed with 1 conflict: conflict with {manager_text(one.manager)}: {path_text(one.path)}"
        )
    by_manager: dict[Manager, list[Conflict]] = {}
    for conflict in conflicts:
        by_manager.setdefault(conflict.manager, []).append(conflict)
    lines = []
    for manager, theirs in by_manager.items():
        lines.append(f"conflicts with {manager_text(manager)}:")
        lines += [f"- {path_text(conflict.path)}" for conflict in theirs]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
