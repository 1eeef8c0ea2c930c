"""What a person changed in an object, as a JSON merge patch. PURE.

Used by `vaina edit` when somebody else was faster.
"""

from typing import Any


def merge_diff(before: Any, after: Any) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) that makes `after` of `before`; lists are values."""
    patch: dict[str, Any] = {}
    for key in before.keys() - after.keys():
        patch[key] = None
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(before[key], dict):
            inner = merge_diff(before[key], value)
            if inner:
                patch[key] = inner
        elif before[key] != value:
            patch[key] = value
    return patch


def untouched(before: Any, now: Any, patch: dict[str, Any]) -> bool:
    """Say whether what a patch changes is still as it was."""
    for key, value in patch.items():
        was, is_now = before.get(key), now.get(key)
        if isinstance(value, dict) and isinstance(was, dict) and isinstance(is_now, dict):
            if not untouched(was, is_now, value):
                return False
        elif was != is_now:
            return False
    return True
