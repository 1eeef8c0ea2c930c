import pytest

from vaina.config import ConfigError
from vaina.fast_paths import choose

_KNOWN = {"memo": "remembers", "echo": "recognises"}


@pytest.mark.parametrize(
    ("given", "on"),
    [
        (("all",), {"memo", "echo"}),
        (("none",), set()),
        (("memo",), {"memo"}),
        (("echo", "memo", "memo"), {"memo", "echo"}),
    ],
)
def test_accelerators_are_chosen_by_name(given: tuple[str, ...], on: set[str]) -> None:
    assert choose(given, _KNOWN) == on


@pytest.mark.parametrize(
    ("given", "named"), [(("mem",), '"mem"'), (("none", "memo"), '"none"'), ((), "nothing")]
)
def test_a_name_that_is_not_known_is_refused_with_those_that_are(given: tuple[str, ...], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        choose(given, _KNOWN)
    assert (
        str(error.value) == f"fast_paths: {named} (allowed: all, none, echo, memo; all and none stand alone)"
    )


def test_a_service_without_accelerators_knows_all_and_none() -> None:
    assert choose(("all",), {}) == choose(("none",), {}) == frozenset()
