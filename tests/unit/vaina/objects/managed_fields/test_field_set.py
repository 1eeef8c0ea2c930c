"""Sets of fields and their JSON, as structured-merge-diff writes and reads them."""

import pytest

from vaina.objects.managed_fields.field_set import (
    FieldSet,
    FieldSetError,
    Path,
    _known_step,
    field,
    key,
    path_text,
    read_field_set,
    value,
)

A, B, C = field("a"), field("b"), field("c")


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        ([], "{}"),
        ([(A,), (B,)], '{"f:a":{},"f:b":{}}'),
        ([(A, B)], '{"f:a":{"f:b":{}}}'),
        ([(A,), (A, B)], '{"f:a":{".":{},"f:b":{}}}'),
        # Fields, then keys, values and places; numbers by their size, before texts.
        ([(A, "i:10"), (A, "i:2"), (A, value("x")), (A, value(10)), (A, value(9)), (A, key({"n": "x"})), (A, B)],
         r'{"f:a":{"f:b":{},"k:{\"n\":\"x\"}":{},"v:9":{},"v:10":{},"v:\"x\"":{},"i:2":{},"i:10":{}}}'),
        ([(A, key({"port": 80, "name": "x"})), (A, key({"name": "x", "port": 9})), (A, key({"name": "x"}))],
         r'{"f:a":{"k:{\"name\":\"x\"}":{},"k:{\"name\":\"x\",\"port\":9}":{},"k:{\"name\":\"x\",\"port\":80}":{}}}'),
        ([(value("a<b"),), (value(True),), (value(None),), (value(80.0),)],
         r'{"v:80":{},"v:\"a\\u003cb\"":{},"v:true":{},"v:null":{}}'),
    ],
)  # fmt: skip
def test_sets_are_written_as_upstream_writes_them_and_read_again(paths: list[Path], text: str) -> None:
    made = FieldSet.of(*paths)
    assert made.to_json().decode() == text
    assert read_field_set(text.encode()) == made


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        ("null", []),
        ('{"f:a":null}', [(A,)]),
        ('{"f:a":{".":{}}}', [(A,)]),
        ('{"f:a":{"x:later":{},"f:b":{}}}', [(A, B)]),
        ('{"k:{\\"b\\": 1, \\"a\\": 2.0}":{}}', [(key({"a": 2, "b": 1}),)]),
    ],
)
def test_other_spellings_are_read_too(text: str, paths: list[Path]) -> None:
    assert read_field_set(text.encode()) == FieldSet.of(*paths)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[]", "expect { or n"),
        ('{"a":{}}', "key must be 2 characters long:"),
        ('{"fa":{}}', "missing colon: fa"),
        ('{"k:[]":{}}', "parsing key as path element: .*"),
        ('{"v:":{}}', "parsing key as path element: .*"),
        ('{"i:x":{}}', "parsing key as path element: .*"),
        ('{"f:a":5}', "expect { or n"),
        ("{", ".*"),
        ('{"f:a":' * 2000 + "{}" + "}" * 2000, ".*"),
        ("\xff", ".*"),
    ],
)
def test_what_is_no_set_is_refused(text: str, error: str) -> None:
    with pytest.raises(FieldSetError, match=error.replace("{", r"\{")):
        read_field_set(text.encode("latin-1"))


PARENT, CHILD = FieldSet.of((A,)), FieldSet.of((A, B))
BOTH = FieldSet.of((A,), (A, B), (C,))


@pytest.mark.parametrize(
    ("found", "want"),
    [
        (PARENT | CHILD, FieldSet.of((A,), (A, B))),
        (BOTH & CHILD, CHILD),
        # A parent is another field than what is in it.
        (PARENT - CHILD, PARENT),
        (CHILD - PARENT, CHILD),
        (BOTH - CHILD, FieldSet.of((A,), (C,))),
        (BOTH.without(PARENT), FieldSet.of((C,))),
        (CHILD.without(PARENT), FieldSet()),
        (BOTH.without(CHILD), FieldSet.of((A,), (C,))),
        (BOTH.below(A), FieldSet.of((B,))),
        (BOTH.below(C), FieldSet()),
    ],
)
def test_sets_are_joined_and_taken_from_each_other(found: FieldSet, want: FieldSet) -> None:
    assert found == want
    assert found.to_json() == want.to_json()


def test_long_steps_are_read_and_not_remembered() -> None:
    long = value("x" * 10_000)
    before = _known_step.cache_info().currsize
    made = FieldSet.of((A, long), (A, value("y")))
    assert read_field_set(made.to_json()) == made
    assert _known_step.cache_info().currsize - before <= 1


def test_only_members_are_had() -> None:
    assert [CHILD.has(path) for path in ((), (A,), (A, B), (A, B, C), (B, A))] == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_paths_are_shown_as_in_conflicts() -> None:
    path = (field("spec"), key({"name": 'a"b', "port": 80}), field("x"), value("y"), value(5), "i:3")
    assert path_text(path) == '.spec[name="a\\"b",port=80].x[="y"][=5][3]'
