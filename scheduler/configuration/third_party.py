"""Plugins of others: found by Python entry point, imported only when a profile names them.

    [project.entry-points."vaina.scheduler.plugins"]
    Green = "my_package.green:Green"

The entry point is the class. What it may take: an attribute `Args`, a frozen dataclass, is filled from the profile's
pluginConfig as strictly as our own arguments are, and handed in; a class without it takes nothing.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from scheduler.framework.handle import Handle
from scheduler.framework.registry import Factory

GROUP: Final = "vaina.scheduler.plugins"


class PluginError(Exception):
    """A plugin cannot be imported, or is none."""


def find_plugins(group: str = GROUP) -> dict[str, EntryPoint]:
    """Return what is installed, by name; nothing is imported."""
    return {point.name: point for point in entry_points(group=group)}


def load_factory(name: str, found: Mapping[str, EntryPoint]) -> Factory:
    """Import a plugin.

    Raises:
        PluginError: it cannot be imported, or is no class with the right name.
    """
    try:
        kind = found[name].load()
    except Exception as error:  # whatever a stranger's module does when it is imported
        raise PluginError(f"{found[name].value} cannot be imported: {error}") from error
    return factory_of(name, kind)


def factory_of(name: str, kind: Any) -> Factory:
    """Make a factory of a plugin's class.

    Raises:
        PluginError: it is no class, or calls itself something else.
    """
    if not isinstance(kind, type):
        raise PluginError(f"{kind!r} is no class")
    called = getattr(kind, "name", "")
    if called != name:
        raise PluginError(f'the plugin calls itself "{called}", and its entry point "{name}"')
    args = getattr(kind, "Args", None)
    if args is not None and not (isinstance(args, type) and is_dataclass(args)):
        raise PluginError(f"{kind.__name__}.Args is no dataclass")

    def make(given: Any, _handle: Handle) -> object:
        return kind() if args is None else kind(given)

    return Factory(name, make, args)
