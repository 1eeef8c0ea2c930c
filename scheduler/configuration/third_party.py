"""Plugins of others: found by Python entry point, imported only when a profile names them.

    [project.entry-points."vaina.scheduler.plugins"]
    Green = "my_package.green:Green"

The entry point is the class. What it may take: an attribute `Args`, a frozen dataclass, is filled from the
profile's pluginConfig as strictly as our own arguments are, and handed in; a class without it takes nothing.
A constructor with a parameter `handle` is given the `Handle` by that name.
"""

import ast
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from pathlib import Path
from typing import Any, Final

from scheduler.configuration.load import MULTI_POINT, POINTS
from scheduler.framework.binding_points import Handle
from scheduler.framework.registry import PROTOCOLS, Factory, called_at

GROUP: Final = "vaina.scheduler.plugins"
#: files of a folder of plugins
MAX_FILES: Final = 1000


class PluginError(Exception):
    """A plugin cannot be imported, or is none."""


#: methods of plugins, and at which extension point they are called
_CALLED: Final = {
    "pre_enqueue": "preEnqueue", "filter": "filter", "post_filter": "postFilter", "score": "score",
    "sort_key": "queueSort", "reserve": "reserve", "unreserve": "reserve", "permit": "permit",
    "pre_bind": "preBind", "bind": "bind", "post_bind": "postBind",
}  # fmt: skip
#: methods of upstream's that are called otherwise here
_NOT_CALLED: Final = {
    "less": "queueSort (its method is sort_key)", "normalize_score": "score (its method is scale)",
}  # fmt: skip
_POINTS: Final = tuple(point for point in POINTS if point != MULTI_POINT)


def _check_points(name: str, plugin: object) -> None:
    """Refuse a plugin (PluginError) that is called nowhere, or not where it counts on being called."""
    allowed = f"plugins are called at {', '.join(_POINTS)}"
    for point in getattr(plugin, "points", ()):
        if point not in _POINTS:
            raise PluginError(f'plugin "{name}" declares the extension point "{point}": {allowed}')
    for method, point in _NOT_CALLED.items():
        if callable(getattr(plugin, method, None)):
            raise PluginError(f'plugin "{name}" has a method {method}, for {point}: {allowed}')
    for method, point in _CALLED.items():
        if callable(getattr(plugin, method, None)) and not isinstance(plugin, PROTOCOLS[point]):
            missing = [part for part in _parts_of(PROTOCOLS[point]) if not hasattr(plugin, part)]
            words = f"has a method {method}, and not what else {point} needs: {', '.join(missing)}"
            raise PluginError(f'plugin "{name}" {words}')
    found = called_at(plugin)
    for point in getattr(plugin, "points", ()):
        if point not in found:
            words = f'declares the extension point "{point}", and has no method for it'
            raise PluginError(f'plugin "{name}" {words}')
    if not found:
        raise PluginError(f'plugin "{name}" has no extension point: {allowed}')


def _parts_of(protocol: type) -> list[str]:
    """Return the names of a protocol's methods and attributes."""
    return sorted(
        {
            *getattr(protocol, "__annotations__", {}),
            *(part for part in vars(protocol) if not part.startswith("_")),
        }
    )


def find_plugins(folder: str = "") -> dict[str, EntryPoint]:
    """Return the plugins that are installed and those of a folder, by name; none is imported.

    The folder is put on Python's path: what `pip install --target` left there is installed. Of its own files
    (`*.py`) each class may be a plugin.

    Raises:
        PluginError: there is no such folder, or too many files in it, or one cannot be read.
    """
    found: dict[str, EntryPoint] = {}
    if folder:
        if not Path(folder).is_dir():
            raise PluginError(f"{folder} is no folder")
        if folder not in sys.path:
            sys.path.append(folder)
        files = sorted(Path(folder).glob("*.py"))
        if len(files) > MAX_FILES:
            raise PluginError(f"{folder} has {len(files)} files, limit is {MAX_FILES}")
        for file in files:
            found |= {name: EntryPoint(name, f"{file.stem}:{name}", GROUP) for name in _classes(file)}
    return found | {point.name: point for point in entry_points(group=GROUP)}


def _classes(file: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (OSError, SyntaxError, ValueError) as error:
        raise PluginError(f"{file} cannot be read: {error}") from error
    return [part.name for part in tree.body if isinstance(part, ast.ClassDef)]


def load_factory(name: str, found: Mapping[str, EntryPoint]) -> Factory:
    """Import a plugin. Raises PluginError: it cannot be imported, or is no class with the right name."""
    try:
        kind = found[name].load()
    except Exception as error:  # whatever a stranger's module does when it is imported
        raise PluginError(f"{found[name].value} cannot be imported: {error}") from error
    return factory_of(name, kind)


def factory_of(name: str, kind: Any) -> Factory:
    """Make a factory of a plugin's class. Raises PluginError: it is none, or calls itself something else."""
    if not isinstance(kind, type):
        raise PluginError(f"{kind!r} is no class")
    called = getattr(kind, "name", "")
    if called != name:
        raise PluginError(f'the plugin calls itself "{called}", and its entry point "{name}"')
    args = getattr(kind, "Args", None)
    if args is not None and not (isinstance(args, type) and is_dataclass(args)):
        raise PluginError(f"{kind.__name__}.Args is no dataclass")

    takes_handle = "handle" in signature(kind).parameters

    def make(given: Any, handle: Handle) -> object:
        beside = {"handle": handle} if takes_handle else {}
        made = kind(**beside) if args is None else kind(given, **beside)
        _check_points(name, made)
        return made

    return Factory(name, make, args)
