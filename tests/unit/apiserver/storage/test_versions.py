from apiserver.storage import versions
from apiserver.storage.interface import Version


def test_a_version_is_the_revision_times_1000_and_the_position() -> None:
    assert versions.version_of(10, 3) == 10_003
    assert versions.whole(10) == 10_999
    assert versions.revision_of(Version(10_003)) == 10
    assert versions.position_of(Version(10_003)) == 3


def test_a_deletion_stands_after_the_event_before_it() -> None:
    assert versions.deletion_position(None) == 0
    assert versions.deletion_position(0) == 1
    assert versions.deletion_position(997) == 998
    assert versions.deletion_position(998) == 998


def test_a_watch_after_an_event_begins_with_its_revision_and_after_a_list_with_the_next() -> None:
    assert versions.start_revision(Version(10_003)) == 10
    assert versions.start_revision(Version(10_999)) == 11
    assert versions.start_revision(Version(0)) == 0


def test_within_a_revision_that_is_not_newer_than_the_compacted_one_nothing_can_be_resumed() -> None:
    assert versions.is_expired(versions.version_of(10, 3), 10)
    assert not versions.is_expired(versions.version_of(10, 3), 9)
    assert not versions.is_expired(versions.whole(10), 10)
    assert versions.is_expired(versions.whole(10), 11)
