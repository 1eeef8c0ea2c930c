r"""The JSONPath of `-o jsonpath=`: what people use of kubectl's.

`{.items[*].metadata.name}`, `{.status.podIP}{"\n"}`, `{range .items[*]}{.metadata.name}{"\n"}{end}`,
`{.status.conditions[?(@.type=="Ready")].status}`. Values that are not there are empty; several are separated
by spaces.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from vaina.objects.manifest import write_json

#: characters of a template, and its ranges within each other: each goes over all that the outer one found
MAX_TEXT: Final = 64 * 1024
MAX_RANGES: Final = 8
_BLOCK: Final = re.compile(r"\{((?:[^{}\"']|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')*)\}")
_STEP: Final = re.compile(
    r"\.\.(?P<deep>[\w-]+)"
    r"|\.(?P<field>(?:[\w/-]|\\.)+)"
    r"|\.?\[(?:'(?P<quoted>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<all>\*)|(?P<from>-?\d{1,18})?:(?P<to>-?\d{1,18})?|(?P<index>-?\d{1,18})"
    r"|\?\((?P<filter>.*?)\))\]"
    r"|\.(?P<star>\*)"
)
_FILTER: Final = re.compile(
    r"\s*@(?P<path>[^=!<>\s]+)\s*(?:(?P<op>==|!=)\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s]+)\s*)?"
)


class JsonPathError(ValueError):
    """The template cannot be read."""


def render(template: str, value: Any) -> str:
    """Fill a template with values of an object. Raises JsonPathError: it cannot be read."""
    if len(template) > MAX_TEXT:
        raise JsonPathError(f"a template may not have more than {MAX_TEXT} characters")
    if "{" not in template:
        template = f"{{{template if template.startswith('.') else '.' + template}}}"
    return _render(_parse(template), value, value, MAX_RANGES)


def values(path: str, value: Any) -> list[str]:
    """Return what a path (without braces) finds in an object, each as text. Raises JsonPathError."""
    if len(path) > MAX_TEXT:
        raise JsonPathError(f"a path may not have more than {MAX_TEXT} characters")
    return [_show(found) for found in _find(path, value, value)]


def _parse(template: str) -> list[str | tuple[str]]:
    """Return literal texts as (text,) and expressions as str."""
    parts: list[str | tuple[str]] = []
    position = 0
    for match in _BLOCK.finditer(template):
        if match.start() > position:
            parts.append((template[position : match.start()],))
        parts.append(match[1].strip())
        position = match.end()
    if position < len(template):
        parts.append((template[position:],))
    return parts


def _render(parts: Sequence[str | tuple[str]], root: Any, here: Any, ranges: int) -> str:
    out: list[str] = []
    index = 0
    while index < len(parts):
        part = parts[index]
        index += 1
        if isinstance(part, tuple):
            out.append(part[0])
        elif part.startswith(('"', "'")):
            out.append(_literal(part))
        elif part.startswith("range"):
            if not ranges:
                raise JsonPathError(
                    f"a template may not have more than {MAX_RANGES} ranges within each other"
                )
            end = _matching_end(parts, index)
            found = _find(part.removeprefix("range").strip(), root, here)
            out.extend(_render(parts[index:end], root, item, ranges - 1) for item in found)
            index = end + 1
        elif part == "end":
            raise JsonPathError("not in range, nothing to end")
        else:
            out.append(" ".join(_show(found) for found in _find(part, root, here)))
    return "".join(out)


def _matching_end(parts: Sequence[str | tuple[str]], start: int) -> int:
    depth = 1
    for index in range(start, len(parts)):
        part = parts[index]
        if isinstance(part, str) and part.startswith("range"):
            depth += 1
        elif part == "end":
            depth -= 1
            if depth == 0:
                return index
    raise JsonPathError("unexpected EOF, want {end}")


def _literal(text: str) -> str:
    try:
        return str(json.loads('"' + text[1:-1].replace("\\'", "'") + '"'))
    except ValueError as error:
        raise JsonPathError(f"invalid text {text}") from error


def _show(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return ""
        case int() | float():
            return str(value)
        case _:
            return write_json(value)


def _find(path: str, root: Any, here: Any) -> list[Any]:
    if path.startswith("$"):
        path, here = path[1:], root
    path = path.removeprefix("@")
    if path and path[0] not in ".[":
        path = f".{path}"
    found = [here]
    position = 0
    while position < len(path):
        if path[position:] == ".":
            break
        match = _STEP.match(path, position)
        if match is None:
            raise JsonPathError(f"cannot read {path[position:]!r}")
        position = match.end()
        found = [value for item in found for value in _step(match, item)]
    return found


def _step(match: "re.Match[str]", item: Any) -> Iterator[Any]:
    groups = match.groupdict()
    name = groups["field"] or groups["quoted"] or groups["double"]
    if name is not None:
        name = name.replace("\\.", ".") if groups["field"] else name
        if isinstance(item, dict) and name in item:
            yield item[name]
    elif groups["deep"] is not None:
        yield from _deep(groups["deep"], item)
    elif groups["index"] is not None:
        if isinstance(item, list) and -len(item) <= int(groups["index"]) < len(item):
            yield item[int(groups["index"])]
    elif groups["filter"] is not None:
        yield from (entry for entry in _entries(item) if _accepts(groups["filter"], entry))
    elif groups["all"] or groups["star"]:
        yield from _entries(item)
    elif isinstance(item, list):
        bounds = (int(groups[side]) if groups[side] else None for side in ("from", "to"))
        yield from item[slice(*bounds)]


def _entries(item: Any) -> Sequence[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []


def _deep(name: str, item: Any) -> Iterator[Any]:
    if isinstance(item, dict) and name in item:
        yield item[name]
    for entry in _entries(item):
        yield from _deep(name, entry)


def _accepts(condition: str, entry: Any) -> bool:
    match = _FILTER.fullmatch(condition)
    if match is None:
        raise JsonPathError(f"cannot read the filter {condition!r}")
    found = _find(match["path"], entry, entry)
    if match["op"] is None:
        return bool(found)
    wanted = match["value"]
    text = wanted[1:-1] if wanted[:1] in "\"'" else wanted
    equal = any(_show(value) == text for value in found)
    return equal if match["op"] == "==" else not equal
