"""Several sources as one set of wishes."""

from kubelet.runtime.records import Uid
from kubelet.sources.merge import Merged, Source, merge
from vaina.testing.builders import make_pod

A, B = Uid("a"), Uid("b")
POD_A, POD_B = make_pod("a", uid="a"), make_pod("b", uid="b")


def test_what_a_source_has_is_wished_for() -> None:
    owners, merged = merge({}, Source.API, {A: POD_A})

    assert owners == {A: Source.API}
    assert merged == Merged({A: POD_A}, frozenset())


def test_what_a_source_has_no_more_is_gone() -> None:
    owners, merged = merge({A: Source.API, B: Source.FILE}, Source.API, {})

    assert owners == {B: Source.FILE}
    assert merged == Merged({}, frozenset({A}))


def test_a_uid_belongs_to_the_source_that_named_it_first() -> None:
    owners, merged = merge({A: Source.FILE}, Source.API, {A: POD_A, B: POD_B})

    assert owners == {A: Source.FILE, B: Source.API}
    assert merged == Merged({B: POD_B}, frozenset())
