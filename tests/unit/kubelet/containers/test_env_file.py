"""Variables out of files that containers wrote."""

import pytest

from kubelet.containers.env import EnvFileError, find_variable


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("V='one'", "one"),
        ("V='one'\n", "one"),
        ("V='one'\r\nW='two'\r\n", "one"),
        ("W='two'\nV='one'", "one"),
        ("V='one'\nV='two'", "one"),
        ("V=''", ""),
        ("# V='no'\n\n  \t\n  V='one' # said\n", "one"),
        ("V='a $(B) \\n \"c\" #d'", 'a $(B) \\n "c" #d'),
        ("V='one\ntwo\n\nthree'\nW='x'", "one\ntwo\n\nthree"),
        ("W='one\nV=two'\nV='three'", "three"),
        ("V= 'one'", ""),
        ("W= 'one'\nV='two'", "two"),
        ("v='one'", ""),
        # What stands behind it is not looked at.
        ("V='one'\nnothing", "one"),
    ],
)
def test_the_first_of_its_name_counts(text: str, value: str) -> None:
    assert find_variable(text, "V") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "at line 1: missing '='"),
        ("W='x'\n\n='y'", "at line 3: empty variable name"),
        ("V ='y'", "at line 1: whitespace before '=' is not allowed"),
        ("V=y", "at line 1: value must be enclosed in single quotes"),
        ('V="y"', "at line 1: value must be enclosed in single quotes"),
        ("V=", "at line 1: value must be enclosed in single quotes"),
        ("V='y'z", "at line 1: unexpected content after closing quote"),
        ("W='a\nb' c", "at line 2: unexpected content after closing quote"),
        ("\nV='y", "starting at line 2: unclosed single quote"),
    ],
)
def test_a_wrong_line_is_named(text: str, words: str) -> None:
    with pytest.raises(EnvFileError) as wrong:
        find_variable(text, "V")
    assert str(wrong.value).endswith(words)
