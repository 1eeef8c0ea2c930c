"""How the tables of these tests are written: manifests as text, violations as the lines that a user reads."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from apiserver.defaulting import default
from apiserver.validation import validate_create
from vaina.errors import FieldError
from vaina.kinds import POD, Kind
from vaina.objects.field_path import (
    DUPLICATE,
    FORBIDDEN,
    INTERNAL,
    INVALID,
    NOT_FOUND,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
)
from vaina.objects.manifest import decode_documents

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
ENV_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='"
IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PORT = "must be between 1 and 65535, inclusive"

_TYPES = {
    "Required value": REQUIRED, "Invalid value": INVALID, "Duplicate value": DUPLICATE, "Not found": NOT_FOUND,
    "Unsupported value": NOT_SUPPORTED, "Forbidden": FORBIDDEN, "Too long": TOO_LONG, "Too many": TOO_MANY,
    "Internal error": INTERNAL,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One line of a table: a sentence, a manifest (or a part of one), and the violations in their order."""

    name: str
    given: str
    want: tuple[str, ...]
    #: more of the manifest, where `given` is only a container
    spec: str = ""


def case(name: str, given: str, *want: str, spec: str = "") -> Case:
    """Make a line of a table."""
    return Case(name, given, want, spec)


def each(cases: Iterable[Case]) -> Any:
    """Run a test for every line, under its sentence."""
    listed = list(cases)
    return pytest.mark.parametrize("case", listed, ids=[one.name for one in listed])


def violation(line: str) -> FieldError:
    """Return the violation that a line stands for: `spec.x: Invalid value: 1: must be 2`."""
    field, _, detail = line.partition(": ")
    return FieldError(_TYPES[detail.partition(":")[0]], field, detail)


def violations(*lines: str) -> list[FieldError]:
    """Return violations, whole."""
    return [violation(line) for line in lines]


def read(text: str) -> Any:
    """Read one manifest."""
    (found,) = decode_documents(textwrap.dedent(text))
    return found.message


def read_default(kind: Kind[Any], text: str) -> Any:
    """Read one manifest and set its defaults."""
    message = read(text)
    default(kind, message)
    return message


def pod(spec: str = "", meta: str = "") -> Any:
    """Make a Pod of the lines of its spec, with defaults; it gets a container where the lines have none."""
    text = textwrap.dedent(spec)
    if "containers:" not in text.replace("initContainers:", "").replace("ephemeralContainers:", ""):
        text = "containers: [{name: main, image: busybox}]\n" + text
    document = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: default{', ' + meta if meta else ''}}}\nspec:\n"
    return read_default(POD, document + textwrap.indent(text, "  "))


def container(fields: str, spec: str = "") -> Any:
    """Make a Pod of the fields of its only container, in braces' form, and more lines of its spec."""
    return pod(f"containers: [{{name: main, image: busybox, {fields}}}]\n{textwrap.dedent(spec)}")


def problems(pod: Any) -> list[FieldError]:
    """Return what is wrong with a new Pod."""
    return validate_create(POD, pod)
