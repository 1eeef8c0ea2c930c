"""PURE: which plugins run at which extension point, from the default and what a profile says is different.

Follows upstream's `apis/config/v1/default_plugins.go` (mergePluginSet: a default plugin that is enabled again
keeps its place and takes the new weight; what is new comes last) and `framework/runtime`
(expandMultiPointPlugins: what an extension point says itself goes before what multiPoint says).
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from scheduler.configuration.decoding import camel
from scheduler.configuration.types import PluginRef, Plugins, PluginSet
from vaina.errors import FieldError
from vaina.objects.field_path import Path, invalid

ALL: Final = "*"
MULTI_POINT: Final = "multiPoint"
#: in upstream's order, multiPoint last
POINTS: Final = tuple(camel(field.name) for field in fields(Plugins))


def set_at(plugins: Plugins, point: str) -> PluginSet:
    """Return what a profile says of one extension point."""
    name = next(field.name for field in fields(Plugins) if camel(field.name) == point)
    found = getattr(plugins, name)
    assert isinstance(found, PluginSet)
    return found


def merge(default: Sequence[PluginRef], custom: PluginSet) -> list[PluginRef]:
    """Return the plugins of multiPoint: those by default, less what is disabled, and what is enabled."""
    disabled = {item.name for item in custom.disabled}
    enabled = {item.name: item for item in custom.enabled}
    kept = [] if ALL in disabled else [item for item in default if item.name not in disabled]
    placed = {item.name for item in kept}
    merged = [enabled.get(item.name, item) for item in kept]
    return merged + [item for item in custom.enabled if item.name not in placed]


def expand(
    multi_point: Sequence[PluginRef], plugins: Plugins, points: Mapping[str, frozenset[str]]
) -> dict[str, list[str]]:
    """Return the names of plugins by extension point, in their order.

    Args:
        multi_point: merged with the default.
        plugins: what the profile says.
        points: plugin -> its extension points.
    """
    order: dict[str, list[str]] = {}
    for point in POINTS:
        if point == MULTI_POINT:
            continue
        own = set_at(plugins, point)
        explicit = [item.name for item in own.enabled]
        disabled = {item.name for item in own.disabled}
        candidates = [] if ALL in disabled else [item.name for item in multi_point]
        inherited = [name for name in candidates if point in points[name] and name not in disabled]
        overrides = [name for name in explicit if name in inherited]
        order[point] = [
            *overrides,
            *(name for name in inherited if name not in explicit),
            *(name for name in explicit if name not in overrides),
        ]
    return order


def weights(multi_point: Sequence[PluginRef], plugins: Plugins) -> dict[str, int]:
    """Return the weights of scores: what `score` says goes before what multiPoint says; none is 1."""
    found: dict[str, int] = {}
    for item in (*plugins.score.enabled, *multi_point):
        found.setdefault(item.name, item.weight or 1)
    return found


def check_twice(plugins: Plugins, path: Path) -> list[FieldError]:
    """Find plugins that are enabled twice at one point, and weights that are none."""
    errors: list[FieldError] = []
    for point in POINTS:
        at = path.child(point, "enabled")
        seen: set[str] = set()
        for index, item in enumerate(set_at(plugins, point).enabled):
            if item.name in seen:
                words = f'plugin "{item.name}" already registered as "{type_name(point)}"'
                errors.append(invalid(at.index(index), item.name, words))
            seen.add(item.name)
            if item.weight < 0:
                words = "must be greater than or equal to 0"
                errors.append(invalid(at.index(index).child("weight"), item.weight, words))
    return errors


def type_name(point: str) -> str:
    """Return what upstream calls the plugins of an extension point: filter -> FilterPlugin."""
    return f"{point[0].upper()}{point[1:]}Plugin"
