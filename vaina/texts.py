"""What is said to people, in the language that they read. PURE but for `language_of`, which reads a catalogue.

Whoever has something to say makes a `Text` of an English sentence with {placeholders}: it is that sentence, and
knows what it was made of. Whoever writes it for people asks a `Language` for it. So the same finding can be
shown in English to one and in Spanish to another, and no module knows a language.

Catalogues are gettext's .po files (`vaina/locale/LANGUAGE/LC_MESSAGES/vaina.po`), read as they are: a hundred
and some entries take two milliseconds, and no tool has to compile them. Kubernetes' own words stay as they are
in every language: kinds, fields, reasons, the messages of components.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Self

LOCALE: Final = Path(__file__).parent / "locale"
_QUOTED: Final = re.compile(r'^(?:(msgid|msgid_plural|msgstr|msgstr\[\d\]) )?"(.*)"$')
#: of a language whose catalogue says nothing: one, and all others
TWO_FORMS: Final = "nplurals=2; plural=(n != 1);"
_PLURAL_FORMS: Final = re.compile(r"^Plural-Forms:[ \t]*(nplurals[ \t]*=[ \t]*(\d)[ \t]*;.*)$", re.MULTILINE)
_ESCAPES: Final = {r"\n": "\n", r"\"": '"', r"\\": "\\", r"\t": "\t"}


class Text(str):
    """A sentence in English that can be said in other languages."""

    source: str
    fields: Mapping[str, Any]
    #: the other form, for other numbers than one, and the number
    plural: tuple[str, int] | None
    #: it begins a sentence
    capital: bool

    @classmethod
    def of(
        cls,
        source: str,
        fields: Mapping[str, Any],
        *,
        capital: bool = False,
        plural: tuple[str, int] | None = None,
    ) -> Self:
        """Make one; `fields` may hold other texts."""
        chosen = source if plural is None or plural[1] == 1 else plural[0]
        words = chosen.format(**fields)
        made = cls(capitalised(words) if capital else words)
        made.source, made.fields, made.capital, made.plural = source, fields, capital, plural
        return made


def say(source: str, /, **fields: Any) -> Text:
    """Return a text of English words with {placeholders}, and what stands in their place."""
    return Text.of(source, fields)


def sentence(source: str, /, **fields: Any) -> Text:
    """Return a text that begins with a capital, whatever stands first in it."""
    return Text.of(source, fields, capital=True)


def counted(one: str, many: str, count: int, /, **fields: Any) -> Text:
    """Return a text for a number, which {count} is: `one` for 1, `many` for all others in English."""
    return Text.of(one, {"count": f"{count:,}", **fields}, plural=(many, count))


def joined(words: Sequence[str], between: str = ", ") -> str:
    """Return words one after the other, each of which may be a text."""
    names = {f"part{number}": word for number, word in enumerate(words)}
    made = Text.of(between.join(f"{{{name}}}" for name in names), names)
    made.source = ""
    made.fields = {"between": between, **names}
    return made


def capitalised(words: str) -> str:
    """Return words as a sentence begins."""
    return f"{words[:1].upper()}{words[1:]}"


def one_or_many(count: int) -> int:
    """Return the form of a number where there are two (`TWO_FORMS`)."""
    return int(count != 1)


@dataclass(frozen=True, slots=True)
class Language:
    """A language with its catalogue: English words -> the words for them, one a form."""

    name: str = "en"
    catalogue: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    #: which of the forms a number has
    form_of: Callable[[int], int] = one_or_many

    def say(self, words: str) -> str:
        """Return what is to be said for a text; words that are no text stay as they are."""
        if not isinstance(words, Text) or not self.catalogue:
            return str(words)
        fields = {
            name: self.say(value) if isinstance(value, str) else value for name, value in words.fields.items()
        }
        if not words.source:
            parts = [value for name, value in fields.items() if name != "between"]
            return str(fields["between"]).join(parts)
        found = self._words(words).format(**fields)
        return capitalised(found) if words.capital else found

    def __call__(self, source: str, /, **fields: Any) -> str:
        """Say English words with {placeholders} in this language."""
        return self.say(Text.of(source, fields))

    def count(self, one: str, many: str, count: int, /, **fields: Any) -> str:
        """Say a text for a number, as `counted` does."""
        return self.say(counted(one, many, count, **fields))

    def _words(self, words: Text) -> str:
        forms = self.catalogue.get(words.source)
        if words.plural is None:
            return forms[0] if forms else words.source
        many, count = words.plural
        if not forms:
            return words.source if count == 1 else many
        return forms[min(self.form_of(count), len(forms) - 1)]


ENGLISH: Final = Language()


def language_name(environment: Mapping[str, str]) -> str:
    """Return the language that an environment asks for, in two letters, as setlocale reads it; empty: none."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            found = re.match(r"[a-z]{2,3}(?![a-zA-Z])", value)
            return found[0] if found else ""
    return ""


def language_of(name: str, folder: Path = LOCALE) -> Language:
    """Return a language with its catalogue; English where there is none."""
    if not re.fullmatch(r"[a-z]{2,3}", name):
        return ENGLISH
    try:
        text = (folder / name / "LC_MESSAGES" / "vaina.po").read_text(encoding="utf-8")
    except OSError:
        return ENGLISH
    return Language(name, read_catalogue(text), form_rule(read_plural_forms(text)[0]))


def read_plural_forms(text: str) -> tuple[str, int]:
    """Return the rule for numbers of a .po file's head, as gettext has it, and how many forms it tells apart."""
    found = _PLURAL_FORMS.search(_read(text).get("", ("",))[0])
    return (found[1], int(found[2])) if found else (TWO_FORMS, 2)


def form_rule(rule: str) -> Callable[[int], int]:
    """Return which form a number has by a rule: nplurals=2; plural=(n != 1);. Raises ValueError: it is none.

    gettext reads rules, which are C, from compiled catalogues alone: one is made whose forms are their numbers.
    """
    if rule == TWO_FORMS:
        return one_or_many
    numbers = "\0".join(map(str, range(10)))
    texts = ((b"", f"Plural-Forms: {rule}\n".encode()), (b"form\0", numbers.encode()))
    at, heads, data = 28 + 16 * len(texts), [b"", b""], b""
    for index in (0, 1):
        for entry in texts:
            heads[index] += struct.pack("<2I", len(entry[index]), at + len(data))
            data += entry[index] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(texts), 28, 28 + 8 * len(texts), 0, at)
    known = GNUTranslations(BytesIO(b"".join((head, *heads, data))))
    return lambda count: int(known.ngettext("form", "", count))


def read_catalogue(text: str) -> dict[str, tuple[str, ...]]:
    """Read a .po file: msgid -> its msgstr, or its forms. What has no words yet is left out, as is the head."""
    return {words: forms for words, forms in read_entries(text).items() if all(forms)}


def read_entries(text: str) -> dict[str, tuple[str, ...]]:
    """Read all entries of a .po file but the head; a form that has no words yet is empty."""
    return {words: forms for words, forms in _read(text).items() if words}


def _read(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    entry: dict[str, str] = {}
    last = ""
    for line in (*text.splitlines(), ""):
        match = _QUOTED.match(line)
        if match is None:
            if not line and entry:
                forms = tuple(words for name, words in entry.items() if name.startswith("msgstr"))
                found[entry.get("msgid", "")] = forms
                entry = {}
            continue
        last = match[1] or last
        part = re.sub(r'\\[n"\\t]', lambda escape: _ESCAPES[escape[0]], match[2])
        entry[last] = entry.get(last, "") + part
    return found
