"""The patch of a request, read once and applied as often as others are quicker. Called by `store` and
`replicas`.
"""

from collections.abc import Callable
from typing import cast

from apiserver.context import IGNORE, STRICT, Context, nobody_listens
from apiserver.registry.strategy import M
from vaina.kinds import Kind
from vaina.objects.patching import apply_patch, read_patch


def patcher(ctx: Context, kind: Kind[M], patch_type: str, text: str) -> Callable[[M], M]:
    """Return what makes of an object the patched one, which may raise BadRequest and Invalid and warn the
    client.

    Raises BadRequest, TooLarge when the text is no patch of that type.
    """
    validation = ctx.field_validation
    warn = nobody_listens if validation == IGNORE else ctx.warn
    patch = read_patch(kind, patch_type, text, warn, validation=validation)
    strict = validation == STRICT
    return lambda old: cast("M", apply_patch(kind, patch, old, warn, strict=strict))
