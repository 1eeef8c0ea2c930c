"""Find all that is said to people in the product, and bring the catalogues of other languages up to date.

    python tools/texts.py   adds what is new to each catalogue (without words), takes out what is said no more

Texts are the words that `say`, `sentence` and `counted` of `vaina/texts.py`, and a `language`, are called with;
and the meanings of `_REASONS` of `vaina/why/waiting.py`, which are said from a table.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "vaina" / "locale"
FOLDERS = ("vaina", "cli")
_CALLS = ("say", "sentence", "counted", "language", "language.count")
_HEAD = """# What `vaina trace`, `why`, `explain` and `learn` say, in {language}. Brought up to date by tools/texts.py.
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""


class Said(NamedTuple):
    """A text, its other form for many (or nothing), and the module that says it."""

    words: str
    many: str
    where: str


def texts() -> list[Said]:
    """Return all texts of the product, in the order of modules and lines, each once."""
    found: dict[str, Said] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "api" in path.relative_to(ROOT).parts[:2]:
                continue
            for words, many in _of_module(ast.parse(path.read_text())):
                found.setdefault(words, Said(words, many, str(path.relative_to(ROOT))))
    return list(found.values())


def _of_module(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _name(node.func) in _CALLS:
            constants = [item.value for item in node.args[:2] if isinstance(item, ast.Constant)]
            words = [value for value in constants if isinstance(value, str)]
            if words:
                yield words[0], words[1] if len(words) > 1 else ""
        elif isinstance(node, ast.AnnAssign) and _name(node.target) == "_REASONS":
            assert isinstance(node.value, ast.Tuple)
            for row in node.value.elts:
                assert isinstance(row, ast.Tuple)
                meaning = row.elts[1]
                assert isinstance(meaning, ast.Constant)
                yield str(meaning.value), ""


def _name(node: ast.expr) -> str:
    """Return the name of what is called or assigned; of other methods than `language.count` nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and node.attr == "count":
        return "language.count" if _name(node.value) == "language" else ""
    return node.attr if isinstance(node, ast.Attribute) and node.attr == "language" else ""


def quoted(words: str) -> str:
    """Write words as .po files have them."""
    escaped = words.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").replace("\t", r"\t")
    return f'"{escaped}"'


def written(language: str, said: list[Said], known: dict[str, tuple[str, ...]]) -> str:
    """Write a catalogue: every text, with the words that are known for it."""
    entries = [_HEAD.format(language=language)]
    for item in said:
        forms = known.get(item.words, ())
        lines = [f"#: {item.where}", f"msgid {quoted(item.words)}"]
        if item.many:
            one, many = (*forms, "", "")[:2]
            lines += [
                f"msgid_plural {quoted(item.many)}",
                f"msgstr[0] {quoted(one)}",
                f"msgstr[1] {quoted(many)}",
            ]
        else:
            lines.append(f"msgstr {quoted(forms[0] if forms else '')}")
        entries.append("\n".join(lines) + "\n")
    return "\n".join(entries)


def main() -> int:
    """Bring all catalogues up to date; say what has no words yet."""
    from vaina.texts import read_catalogue

    said = texts()
    missing = 0
    for file in sorted(LOCALE.glob("*/LC_MESSAGES/vaina.po")):
        language = file.parts[-3]
        known = read_catalogue(file.read_text(encoding="utf-8"))
        file.write_text(written(language, said, known), encoding="utf-8")
        for item in said:
            if item.words not in known:
                missing += 1
                print(f"{file.relative_to(ROOT)}: no words for {item.words!r}")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
