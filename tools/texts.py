"""Find all that is said to people in the product, and bring the catalogues of other languages up to date.

    python tools/texts.py   adds what is new to each catalogue (without words), takes out what is said no more

Texts are the words that `say`, `sentence` and `counted` of `vaina/texts.py`, and a `language`, are called with;
and the meanings of `_REASONS` of `vaina/why/waiting.py`, which are said from a table.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
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
"Plural-Forms: {rule}\\n"
"""


class Said(NamedTuple):
    """A text, its other form for many (or nothing), and the module that says it."""

    words: str
    many: str
    where: str


def texts() -> list[Said]:
    """Return all texts of the product, in the order of modules and lines, each once."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    own = [path for path in paths if "api" not in path.relative_to(ROOT).parts[:2]]
    return texts_of((str(path.relative_to(ROOT)), path.read_text()) for path in own)


def texts_of(modules: Iterable[tuple[str, str]]) -> list[Said]:
    """Return the texts of modules, each given by its path and source, in their order, each once."""
    found: dict[str, Said] = {}
    for where, source in modules:
        for words, many in _of_module(ast.parse(source)):
            said = found.setdefault(words, Said(words, many, where))
            # It may be said of one alone first, and elsewhere of a number.
            found[words] = said._replace(many=said.many or many)
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


def written(language: str, said: list[Said], before: str) -> str:
    """Write a catalogue: every text, with the words that it had before, be it for some of its forms alone.

    Its rule for numbers stays (Plural-Forms, as gettext has it), and says how many forms there are.
    """
    from vaina.texts import read_entries, read_plural_forms

    known, (rule, count) = read_entries(before), read_plural_forms(before)
    entries = [_HEAD.format(language=language, rule=rule)]
    for item in said:
        forms = known.get(item.words, ())
        lines = [f"#: {item.where}", f"msgid {quoted(item.words)}"]
        if item.many:
            lines.append(f"msgid_plural {quoted(item.many)}")
            words = (*forms, *[""] * count)[:count]
            lines += [f"msgstr[{form}] {quoted(one)}" for form, one in enumerate(words)]
        else:
            lines.append(f"msgstr {quoted(forms[0] if forms else '')}")
        entries.append("\n".join(lines) + "\n")
    return "\n".join(entries)


def without_words(catalogue: str) -> list[str]:
    """Return the texts of a written catalogue that lack words, for all forms or for one."""
    from vaina.texts import read_entries

    return [words for words, forms in read_entries(catalogue).items() if not all(forms)]


def main() -> int:
    """Bring all catalogues up to date; say what has no words yet."""
    said = texts()
    missing = 0
    for file in sorted(LOCALE.glob("*/LC_MESSAGES/vaina.po")):
        language = file.parts[-3]
        text = written(language, said, file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
        for words in without_words(text):
            missing += 1
            print(f"{file.relative_to(ROOT)}: no words for {words!r}")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
