"""Makes profiles of a configuration: plugins with their arguments, at their extension points, in their order.

Called by `scheduler.build`. Everything that is wrong with any profile is said at once. Each extension point
is switched by itself (`scheduler.framework.registry`), but for what would leave a Pod half bound: reserve and
preBind go with the filter that found what they are to bind, and a file that keeps one of them is refused
instead of half obeyed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Final

from scheduler.configuration.arguments import CHECKS
from scheduler.configuration.decoding import decode
from scheduler.configuration.load import (
    ALL,
    MULTI_POINT,
    POINTS,
    ConfigurationError,
    KubeSchedulerProfile,
    PluginRef,
    Plugins,
    PluginSet,
    set_at,
)
from scheduler.configuration.third_party import PluginError, load_factory
from scheduler.framework.binding_points import Handle
from scheduler.framework.registry import IN_TREE, Factory, assemble, points_of
from scheduler.framework.runtime import Profile
from vaina.errors import FieldError
from vaina.objects.field_path import Path, forbidden, invalid, not_supported

#: upstream has them by default and we have not: they may be disabled, and that is all
NOT_HERE: Final = ("DynamicResources", "GangScheduling")
#: points of which a plugin that has both has both or none
_TOGETHER: Final = ("filter", "reserve", "preBind")


@dataclass(slots=True)
class _Making:
    """One profile on its way."""

    profile: KubeSchedulerProfile
    path: Path
    third_party: Mapping[str, EntryPoint]
    handle: Handle
    factories: dict[str, Factory]
    errors: list[FieldError]
    plugins: dict[str, object] = field(default_factory=dict[str, object])


def make_profiles(
    profiles: Sequence[KubeSchedulerProfile],
    *,
    handle: Handle | None = None,
    third_party: Mapping[str, EntryPoint] | None = None,
    in_tree: Sequence[Factory] = IN_TREE,
) -> tuple[Profile, ...]:
    """Make profiles that are checked already for what does not concern plugins.

    Raises ConfigurationError with every violation of every profile.
    """
    errors: list[FieldError] = []
    made: list[Profile] = []
    for index, profile in enumerate(profiles):
        making = _Making(
            profile, Path("profiles").index(index), third_party or {}, handle or Handle(),
            {factory.name: factory for factory in in_tree}, errors,
        )  # fmt: skip
        found = _make(making, [PluginRef(factory.name, factory.weight) for factory in in_tree])
        if found is not None:
            made.append(found)
            if type(found.queue_sort) is not type(made[0].queue_sort):
                shown = "" if found.queue_sort is None else found.queue_sort.name
                at = making.path.child("plugins", "queueSort")
                errors.append(invalid(at, shown, "must be the same for all profiles"))
    if errors:
        raise ConfigurationError(errors)
    return tuple(made)


def _make(making: _Making, default: Sequence[PluginRef]) -> Profile | None:
    errors, profile, path = making.errors, making.profile, making.path.child("plugins")
    before = len(errors)
    errors.extend(_check_twice(profile.plugins, path))
    _check_names(making)
    multi_point = _merge(default, profile.plugins.multi_point)
    named = dict.fromkeys(item.name for item in multi_point)
    for point in POINTS:
        named.update(dict.fromkeys(item.name for item in set_at(profile.plugins, point).enabled))
    arguments = _arguments(making)
    if len(errors) > before:
        return None
    for name in named:
        _build(making, name, arguments.get(name))
    if len(errors) > before:
        return None
    points = {name: points_of(plugin) for name, plugin in making.plugins.items()}
    _check_points(making, points)
    order = _expand(multi_point, profile.plugins, points)
    _check_whole(making, points, order)
    if len(errors) > before:
        return None
    return assemble(profile.scheduler_name, making.plugins, order, _weights(multi_point, profile.plugins))


def _known(making: _Making) -> list[str]:
    return [*making.factories, *(name for name in making.third_party if name not in making.factories)]


def _check_names(making: _Making) -> None:
    known = _known(making)
    for point in POINTS:
        here, path = set_at(making.profile.plugins, point), making.path.child("plugins", point)
        for words, items, allowed in (
            ("enabled", here.enabled, known), ("disabled", here.disabled, [*known, *NOT_HERE, ALL]),
        ):  # fmt: skip
            for index, item in enumerate(items):
                if item.name not in allowed:
                    at = path.child(words).index(index).child("name")
                    making.errors.append(not_supported(at, item.name, sorted(allowed)))


def _arguments(making: _Making) -> dict[str, object]:
    found: dict[str, object] = {}
    for index, config in enumerate(making.profile.plugin_config):
        path = making.path.child("pluginConfig").index(index)
        factory = _factory(making, config.name, path.child("name"))
        if factory is None:
            continue
        given = {name: value for name, value in config.args.items() if name not in ("apiVersion", "kind")}
        if factory.args is None:
            if given:
                making.errors.append(forbidden(path.child("args"), f"{config.name} takes no arguments"))
            continue
        kind = config.args.get("kind", f"{config.name}Args")
        if kind != f"{config.name}Args":
            making.errors.append(invalid(path.child("args"), kind, "has to match plugin args"))
        args = decode(factory.args, given, path.child("args"), making.errors)
        if args is not None:
            found[config.name] = args
            check = CHECKS.get(config.name)
            if check is not None:
                check(args, path.child("args"), making.errors)
    return found


def _factory(making: _Making, name: str, path: Path) -> Factory | None:
    found = making.factories.get(name)
    if found is not None:
        return found
    if name not in making.third_party:
        making.errors.append(not_supported(path, name, sorted(_known(making))))
        return None
    try:
        found = making.factories[name] = load_factory(name, making.third_party)
    except PluginError as error:
        making.errors.append(invalid(path, name, str(error)))
        return None
    return found


def _build(making: _Making, name: str, args: object) -> None:
    path = making.path.child("plugins")
    factory = _factory(making, name, path)
    if factory is None:
        return
    try:
        making.plugins[name] = factory.build(args, making.handle)
    except Exception as error:  # noqa: BLE001 - a stranger's constructor may raise anything; it is said, with the name
        making.errors.append(invalid(path, name, f"cannot be made: {error}"))


def _check_points(making: _Making, points: Mapping[str, frozenset[str]]) -> None:
    for point in POINTS:
        if point == MULTI_POINT:
            continue
        path = making.path.child("plugins", point, "enabled")
        for index, item in enumerate(set_at(making.profile.plugins, point).enabled):
            if point not in points[item.name]:
                words = f'plugin "{item.name}" does not extend {type_name(point)}'
                making.errors.append(invalid(path.index(index), item.name, words))


def _check_whole(
    making: _Making, points: Mapping[str, frozenset[str]], order: Mapping[str, Sequence[str]]
) -> None:
    path, name, errors = making.path.child("plugins"), making.profile.scheduler_name, making.errors
    for plugin, has in points.items():
        on = [point for point in _TOGETHER if plugin in order[point]]
        for point in _TOGETHER:
            if on and point in has and point not in on:
                words = f"is disabled here and not at {on[0]}: the two go together"
                errors.append(invalid(path.child(point), plugin, words))
    sorts, of = order["queueSort"], f'profile with scheduler name "{name}"'
    if not sorts:
        errors.append(invalid(path.child("queueSort"), [], f"no queue sort plugin is enabled for {of}"))
    if len(sorts) > 1:
        words = f"only one queue sort plugin required for {of}, but got {len(sorts)}"
        errors.append(invalid(path.child("queueSort"), [*sorts], words))
    if not order["bind"]:
        errors.append(invalid(path.child("bind"), [], f"at least one bind plugin is needed for {of}"))


def _merge(default: Sequence[PluginRef], custom: PluginSet) -> list[PluginRef]:
    """Return the plugins of multiPoint: those by default, less what is disabled, and what is enabled.

    A default plugin that is enabled again keeps its place and takes the new weight; what is new comes last
    (mergePluginSet of `apis/config/v1/default_plugins.go`).
    """
    disabled = {item.name for item in custom.disabled}
    enabled = {item.name: item for item in custom.enabled}
    kept = [] if ALL in disabled else [item for item in default if item.name not in disabled]
    placed = {item.name for item in kept}
    merged = [enabled.get(item.name, item) for item in kept]
    return merged + [item for item in custom.enabled if item.name not in placed]


def _expand(
    multi_point: Sequence[PluginRef], plugins: Plugins, points: Mapping[str, frozenset[str]]
) -> dict[str, list[str]]:
    """Return the names of plugins by extension point, in order; `multi_point` is merged with the default.

    What an extension point says itself goes before what multiPoint says (expandMultiPointPlugins of
    `framework/runtime`).
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


def _weights(multi_point: Sequence[PluginRef], plugins: Plugins) -> dict[str, int]:
    """Return the weights of scores: what `score` says goes before what multiPoint says; none is 1."""
    found: dict[str, int] = {}
    for item in (*plugins.score.enabled, *multi_point):
        found.setdefault(item.name, item.weight or 1)
    return found


def _check_twice(plugins: Plugins, path: Path) -> list[FieldError]:
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
