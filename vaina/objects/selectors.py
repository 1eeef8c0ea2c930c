"""Label and field selectors: from text or message to predicates.

The grammar and the meaning are those of `apimachinery/pkg/labels` and `pkg/fields`: `a=b,c!=d,e in (x,y),f
notin (x),g,!h,i>1,j<9`; `!=` and `notin` also match objects without the label.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vaina.api.meta.v1 import meta_pb2
from vaina.objects.integers import parse_int
from vaina.quoting import go_quote

#: longer texts are refused before they are read
MAX_TEXT: Final = 64 * 1024

Operator = Literal["=", "==", "in", "!=", "notin", "exists", "!", "gt", "lt"]
FieldOperator = Literal["=", "!="]

_NAME: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_TOKEN: Final = re.compile(r"[ \t\r\n]*(==|!=|[=!,()<>]|[^ \t\r\n=!,()<>]+|$)")

_NAME_RULE: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_OPERATORS: Final[Mapping[str, Operator]] = {
    "In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!",
    "Gt": "gt", "Lt": "lt",
}  # fmt: skip


class SelectorError(ValueError):
    """The selector cannot be read."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "gt" | "lt":
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        left, right = parse_int(value), parse_int(self.values[0])
        if left is None or right is None:
            return False
        return left > right if self.operator == "gt" else left < right

    def __str__(self) -> str:
        match self.operator:
            case "!":
                return f"!{self.key}"
            case "exists":
                return self.key
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{self.values[0]}"
            case "=" | "==" | "!=":
                return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All conditions must hold; none at all selects everything, unless the selector is `NOTHING`."""

    requirements: tuple[Requirement, ...] = ()
    #: selects no object whatever its labels: what an unset selector means in most fields
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.nothing:
            return False
        # Asked for each Pod of a controller at each look: a generator would cost half as much again.
        for requirement in self.requirements:  # noqa: SIM110
            if not requirement.matches(labels):
                return False
        return True

    @property
    def is_everything(self) -> bool:
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING: Final = LabelSelector()
NOTHING: Final = LabelSelector(nothing=True)


def check_label_key(key: str) -> list[str]:
    """Return what is wrong with a label's key (a qualified name), in upstream's words."""
    prefix, slash, name = key.rpartition("/")
    if prefix.count("/"):
        return [
            "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    errors: list[str] = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash and len(prefix.encode(errors="replace")) > 253:
        errors.append("prefix part must be no more than 253 bytes")
    if slash and prefix and not _SUBDOMAIN.fullmatch(prefix):
        errors.append(
            "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
            "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    if not name:
        errors.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _NAME.fullmatch(name):
        errors.append(_NAME_RULE)
    return errors


def check_label_value(value: str) -> list[str]:
    """Return what is wrong with a label's value, in upstream's words."""
    errors: list[str] = []
    if len(value.encode(errors="replace")) > 63:
        errors.append("must be no more than 63 bytes")
    if value and not _NAME.fullmatch(value):
        errors.append(_VALUE_RULE)
    return errors


def _requirement(key: str, operator: Operator, values: Iterable[str] = ()) -> Requirement:
    given, wrong = list(values), list[str]()
    if problems := check_label_key(key):
        wrong.append(f"key: Invalid value: {go_quote(key)}: {'; '.join(problems)}")
    for index, value in enumerate(given):
        if operator in ("gt", "lt") and parse_int(value) is None:
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            wrong.append(f"values[{index}]: Invalid value: {go_quote(value)}: {why}")
    for index, value in enumerate(given):
        if problems := check_label_value(value):
            why = "; ".join(problems)
            wrong.append(f"values[{index}][{key}]: Invalid value: {go_quote(value)}: {why}")
    if wrong:
        raise SelectorError(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    return Requirement(key, operator, tuple(dict.fromkeys(given)))


class _Tokens:
    """The words of a selector, one at a time. Used up by one parse."""

    def __init__(self, text: str) -> None:
        self._items = [match[1] for match in _TOKEN.finditer(text)]
        self._next = 0

    def peek(self) -> str:
        return self._items[self._next] if self._next < len(self._items) else ""

    def take(self) -> str:
        token = self.peek()
        self._next += 1
        return token


def _expected(found: str, wanted: str) -> SelectorError:
    return SelectorError(f"found '{found}', expected: {wanted}")


def _word(token: str) -> bool:
    return bool(token) and token not in ("=", "==", "!=", "!", ",", "(", ")", "<", ">")


def _read_values(tokens: _Tokens) -> list[str]:
    """Read what stands in parentheses: sorted, each once, "" where nothing stands beside a comma."""
    if (found := tokens.take()) != "(":
        raise SelectorError(f"found '{found}' expected: '('")
    found = tokens.peek()
    if not _word(found) and found not in (",", ")"):
        raise _expected(found, "',', ')' or identifier")
    values = {""} if found in (",", ")") else set[str]()
    while (found := tokens.take()) != ")":
        following = tokens.peek()
        if _word(found):
            values.add(found)
            if following not in (",", ")"):
                raise _expected(following, "',' or ')'")
        elif found != ",":
            raise _expected(found, "',', or identifier")
        elif following in (",", ")"):
            values.add("")
    return sorted(values)


def _read_value(tokens: _Tokens) -> str:
    if tokens.peek() in ("", ","):
        return ""
    if not _word(value := tokens.take()):
        raise _expected(value, "identifier")
    return value


def _read_requirement(tokens: _Tokens) -> Requirement:
    negated = tokens.peek() == "!"
    if negated:
        tokens.take()
    if not _word(key := tokens.take()):
        raise _expected(key, "identifier")
    if problems := check_label_key(key):
        # Upstream gives no path here, and shows that.
        raise SelectorError(f"<nil>: Invalid value: {go_quote(key)}: {'; '.join(problems)}")
    if negated:
        return _requirement(key, "!")
    if tokens.peek() in ("", ","):
        return _requirement(key, "exists")
    match tokens.take():
        case "=" | "==" | "!=" as operator:
            return _requirement(key, operator, (_read_value(tokens),))
        case "in" | "notin" as operator:
            return _requirement(key, operator, _read_values(tokens))
        case "<" | ">" as operator:
            return _requirement(key, "gt" if operator == ">" else "lt", (_read_value(tokens),))
        case found:
            raise _expected(found, "in, notin, =, ==, !=, gt, lt")


def parse_label_selector(text: str) -> LabelSelector:
    """Read `a=b,c in (x,y),!d`; an empty text selects everything. Raises SelectorError."""
    if len(text) > MAX_TEXT:
        raise SelectorError(f"a selector may not have more than {MAX_TEXT} characters")
    tokens = _Tokens(text)
    if not tokens.peek():
        return EVERYTHING
    if not _word(tokens.peek()) and tokens.peek() != "!":
        raise _expected(tokens.peek(), "!, identifier, or 'end of string'")
    requirements: list[Requirement] = []
    while True:
        try:
            requirements.append(_read_requirement(tokens))
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from error
        found = tokens.take()
        if not found:
            return LabelSelector(tuple(sorted(requirements, key=lambda item: item.key)))
        if found != ",":
            raise _expected(found, "',' or 'end of string'")
        if not _word(tokens.peek()) and tokens.peek() != "!":
            raise _expected(tokens.peek(), "identifier after ','")


def from_labels(labels: Mapping[str, str]) -> LabelSelector:
    """Make the selector that wants exactly these labels (ReplicationController's); none select everything."""
    return LabelSelector(tuple(Requirement(key, "=", (labels[key],)) for key in sorted(labels)))


def from_message(selector: meta_pb2.LabelSelector) -> LabelSelector:
    """Make a predicate of a LabelSelector message; an empty one selects everything. Raises SelectorError.

    Whether an *unset* selector selects nothing is for the caller to say (`NOTHING`): a message cannot tell.
    """
    requirements = [_requirement(key, "=", (value,)) for key, value in sorted(selector.match_labels.items())]
    for expression in selector.match_expressions:
        operator = _OPERATORS.get(expression.operator)
        if operator is None or operator in ("gt", "lt"):
            raise SelectorError(f"{go_quote(expression.operator)} is not a valid label selector operator")
        if operator in ("in", "notin") and not expression.values:
            raise SelectorError(
                "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
            )
        if operator in ("exists", "!") and expression.values:
            raise SelectorError(
                "values: Invalid value: values set must be empty for exists and does not exist"
            )
        requirements.append(_requirement(expression.key, operator, expression.values))
    return LabelSelector(tuple(requirements))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions on fields, all of which must hold: (field, "=" or "!=", value)."""

    requirements: tuple[tuple[str, FieldOperator, str], ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Say whether an object with these fields is selected; a field that is not there counts as empty."""
        return all((fields.get(name, "") == value) == (op == "=") for name, op, value in self.requirements)

    @property
    def is_everything(self) -> bool:
        return not self.requirements

    def exact(self, field: str) -> str | None:
        """Return the value that the field must have, if the selector says so: what an index can serve."""
        for name, op, value in self.requirements:
            if name == field and op == "=":
                return value
        return None

    def __str__(self) -> str:
        return ",".join(f"{name}{op}{_escape(value)}" for name, op, value in self.requirements)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _unescape(value: str) -> str:
    out: list[str] = []
    chars = iter(value)
    for char in chars:
        if char == "\\":
            following = next(chars, "")
            if following not in ("\\", ",", "=") or not following:
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{following}")
            out.append(following)
        elif char in ",=":
            # Upstream shows the number of the character.
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            out.append(char)
    return "".join(out)


#: terms between commas that no backslash protects
_TERMS: Final = re.compile(r"(?:[^\\,]|\\.?)+", re.DOTALL)


def parse_field_selector(text: str) -> FieldSelector:
    """Read `spec.nodeName=a,status.phase!=Running`; an empty text selects everything. Raises SelectorError."""
    if len(text) > MAX_TEXT:
        raise SelectorError(f"a selector may not have more than {MAX_TEXT} characters")
    requirements: list[tuple[str, FieldOperator, str]] = []
    # Sorted, as upstream: it decides which mistake is told.
    for term in sorted(match[0] for match in _TERMS.finditer(text)):
        found = re.search(r"!=|==|=", term)
        if found is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        operator: FieldOperator = "!=" if found[0] == "!=" else "="
        field, value = term[: found.start()], _unescape(term[found.end() :])
        if field or value:
            requirements.append((field, operator, value))
    return FieldSelector(tuple(requirements))
