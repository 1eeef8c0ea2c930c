"""Parts of volumes: inside they are shown, outside nothing leads to."""

import os
import threading
from pathlib import Path

import pytest

from kubelet.volumes import mounting
from kubelet.volumes.mounting import SubPathError
from tests.unit.kubelet.volumes.mounts import needs_mounts


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    made = tmp_path / "volume"
    made.mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("of the node")
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return mounting.place_of_part(tmp_path / "pod", "data", "app", 0)


@needs_mounts
@pytest.mark.parametrize("part", ["logs", "deep/er/still", "file"])
def test_a_part_is_shown_where_it_is_bound(volume: Path, place: Path, part: str) -> None:
    if part == "file":
        (volume / part).write_text("x")
    mounting.make_part(volume, part)

    found = mounting.bind_part(volume, part, place)

    try:
        assert os.path.samefile(found, volume / part)
        assert found == place
        assert mounting.bind_part(volume, part, place) == place, "again is once"
        assert mounting.mounts().count(str(place)) == 1
    finally:
        mounting.clear_parts(place.parents[3])
    assert not (place.parents[2]).exists()
    assert (volume / part).exists(), "what was shown stays"


@needs_mounts
def test_a_file_that_was_replaced_is_shown_anew(volume: Path, place: Path) -> None:
    (volume / "file").write_text("old")
    mounting.bind_part(volume, "file", place)
    (volume / "new").write_text("new")
    (volume / "new").rename(volume / "file")

    mounting.bind_part(volume, "file", place)

    assert place.read_text() == "new"
    (volume / "file").unlink()
    (volume / "file").mkdir()
    mounting.bind_part(volume, "file", place)
    assert place.is_dir()
    mounting.clear_parts(place.parents[3])


@needs_mounts
def test_a_link_inside_the_volume_may_be_followed(volume: Path, place: Path) -> None:
    (volume / "real").mkdir()
    (volume / "alias").symlink_to("real")

    mounting.bind_part(volume, "alias", place)

    assert os.path.samefile(place, volume / "real")
    mounting.clear_parts(place.parents[3])


def make_and_bind(volume: Path, part: str, place: Path) -> Path:
    mounting.make_part(volume, part)
    return mounting.bind_part(volume, part, place)


def lead_out(volume: Path, how: str) -> str:
    """Make a way out of a volume, and return the part that takes it."""
    secret = volume.parent / "secret"
    match how:
        case "link":
            (volume / "out").symlink_to(secret)
            return "out"
        case "relative link":
            (volume / "out").symlink_to("../secret")
            return "out"
        case "link to a file":
            (volume / "out").symlink_to(secret / "key")
            return "out"
        case "link on the way":
            (volume / "a").mkdir()
            (volume / "a/b").symlink_to(secret)
            return "a/b/made"
        case "link to a link":
            (volume / "one").symlink_to(secret)
            (volume / "two").symlink_to("one")
            return "two"
        case "dangling link":
            (volume / "out").symlink_to(volume.parent / "nothing")
            return "out/made"
        case "absolute root":
            (volume / "out").symlink_to("/")
            return "out"
        case "neighbour with the same beginning":
            (volume.parent / "volume2").mkdir()
            (volume / "out").symlink_to("../volume2")
            return "out"
    raise AssertionError(how)


@pytest.mark.parametrize(
    "how",
    [
        "link",
        "relative link",
        "link to a file",
        "link on the way",
        "link to a link",
        "dangling link",
        "absolute root",
        "neighbour with the same beginning",
    ],
)
def test_nothing_leads_out_of_a_volume(volume: Path, place: Path, how: str) -> None:
    part = lead_out(volume, how)
    before = sorted(str(path) for path in volume.parent.rglob("*"))

    with pytest.raises((SubPathError, OSError)):
        make_and_bind(volume, part, place)

    assert sorted(str(path) for path in volume.parent.rglob("*")) == before, "nothing was made outside"
    assert str(place) not in mounting.mounts()


@needs_mounts
def test_a_link_that_is_swapped_while_it_is_bound_never_shows_what_is_outside(
    volume: Path, place: Path
) -> None:
    """The race of CVE-2017-1002101 and CVE-2021-25741.

    A directory that becomes a link between look and mount.
    """
    inside, secret = volume / "inside", volume.parent / "secret"
    inside.mkdir()
    (volume / "link").symlink_to(secret)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(inside, volume / "aside")
            os.rename(volume / "link", inside)
            os.rename(inside, volume / "link")
            os.rename(volume / "aside", inside)

    attacker = threading.Thread(target=swap)
    attacker.start()
    shown = refused = 0
    try:
        for _ in range(300):
            try:
                mounting.bind_part(volume, "inside", place)
            except (SubPathError, OSError):
                refused += 1
                continue
            shown += 1
            assert not (place / "key").exists(), "the node's own files are shown"
    finally:
        stop.set()
        attacker.join()
        mounting.clear_parts(place.parents[3])
    assert shown + refused == 300
    assert (secret / "key").read_text() == "of the node"


@needs_mounts
def test_what_is_mounted_is_never_removed_with_the_tree(volume: Path, place: Path, tmp_path: Path) -> None:
    (volume / "data").mkdir()
    (volume / "data/precious").write_text("x")
    mounting.bind_part(volume, "data", place)

    mounting.clear(tmp_path / "pod")

    assert (volume / "data/precious").read_text() == "x"
    assert not (tmp_path / "pod").exists()
    assert not mounting.mounts_below(tmp_path)


@needs_mounts
def test_a_mount_below_a_name_with_odd_letters_is_found(tmp_path: Path) -> None:
    odd = tmp_path / "a b\tc\\d"
    odd.mkdir()

    mounting.tmpfs(odd, size_bytes=65536, mode=0o777)

    assert mounting.mounts_below(tmp_path) == [str(odd)]
    mounting.unmount(odd)
    assert mounting.mounts_below(tmp_path) == []
