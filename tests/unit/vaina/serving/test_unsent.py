import pytest

from vaina.errors import Timeout, TooManyRequests
from vaina.serving.unsent import MAX_BYTES, SMALL_BYTES, Unsent

MIB = 1 << 20


def of(peer: str) -> tuple[str, str]:
    """Return client and connection, where nobody is known."""
    return peer.rpartition(":")[0], peer


def fill(unsent: Unsent, peer: str, size: int) -> int:
    """Add as many answers as there is room for; returns how many."""
    count = 0
    while unsent.has_room(*of(peer), size):
        unsent.add(*of(peer), size)
        count += 1
    with pytest.raises(TooManyRequests, match="earlier answers were not read yet"):
        unsent.add(*of(peer), size)
    return count


def test_a_connection_that_reads_nothing_has_half_of_the_room() -> None:
    unsent = Unsent(100 * MIB)
    assert fill(unsent, "ipv4:10.0.0.1:1", MIB) == 50


def test_an_address_has_two_thirds_of_the_room_however_many_connections_it_opens() -> None:
    unsent = Unsent(100 * MIB)
    for port in range(500):
        fill(unsent, f"ipv4:10.0.0.1:{port}", MIB)
    assert 60 * MIB <= unsent.bytes <= 67 * MIB
    unsent.add(*of("ipv4:10.0.0.2:1"), 8 * MIB)
    # Small answers still go everywhere.
    unsent.add(*of("ipv4:10.0.0.1:9"), SMALL_BYTES)


def test_there_is_an_end_to_the_room() -> None:
    unsent = Unsent(100 * MIB)
    for number in range(1000):
        fill(unsent, f"ipv4:10.0.{number % 250}.1:{number}", SMALL_BYTES)
    assert unsent.bytes <= 100 * MIB
    assert not unsent.has_room(*of("ipv4:10.9.9.9:1"), SMALL_BYTES)


def test_what_was_taken_makes_room_and_leaves_no_trace() -> None:
    unsent = Unsent(MIB)
    for _ in range(3):
        unsent.add(*of("ipv4:10.0.0.1:1"), 100_000)
        unsent.add(*of("ipv4:10.0.0.1:2"), 100_000)
        for port in (1, 2):
            unsent.remove(*of(f"ipv4:10.0.0.1:{port}"), 100_000)
    assert unsent.bytes == 0
    with pytest.raises(KeyError):
        unsent.remove(*of("ipv4:10.0.0.1:1"), 1)


def test_sixteen_pages_of_lists_are_on_their_way_to_one_client() -> None:
    unsent = Unsent(MAX_BYTES)
    # A page has 4 MiB of objects (`apiserver/registry/reading.py`), and what is around them.
    for _ in range(16):
        unsent.add(*of("ipv4:10.0.0.1:1"), 5 * MIB)


def test_a_user_has_two_thirds_of_the_room_from_however_many_addresses() -> None:
    unsent = Unsent(100 * MIB)
    for number in range(500):
        while unsent.has_room("ana", f"ipv4:10.0.{number % 250}.1:{number}", MIB):
            unsent.add("ana", f"ipv4:10.0.{number % 250}.1:{number}", MIB)
    assert 60 * MIB <= unsent.bytes <= 67 * MIB
    unsent.add("ben", "ipv4:10.0.0.1:1", 8 * MIB)


def test_whoever_wrote_is_not_told_to_try_again() -> None:
    """429 is repeated by client-go, and a write that was carried out with it."""
    unsent = Unsent(100_000)
    with pytest.raises(TooManyRequests):
        unsent.add("a", "a:1", 200_000)
    with pytest.raises(Timeout, match="was carried out") as caught:
        unsent.add("a", "a:1", 200_000, is_done=True)
    assert caught.value.retry_seconds == 0
    assert unsent.bytes == 0
    unsent.add("a", "a:1", 50_000, is_done=True)
    assert unsent.bytes == 50_000
