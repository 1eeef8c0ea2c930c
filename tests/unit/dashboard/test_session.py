"""Cookies of the page: made for who has the link, for a time, and by nobody else."""

import pytest

from dashboard.session import Sessions, own_path

SECRET = "s" * 43
NOW = 1_800_000_000.0


def sessions(secret: str = SECRET) -> Sessions:
    return Sessions(secret, 3600.0)


def test_a_session_holds_for_its_time() -> None:
    cookie = sessions().issue(NOW)
    assert sessions().seconds_left(cookie, NOW + 10) == 3590
    assert sessions().seconds_left(cookie, NOW + 3600) == 0


@pytest.mark.parametrize(
    "cookie", ["", ".", "1800003600", "1800003600.", "1800003600." + "0" * 64, "x.y", "é.é", "\ud800."]
)
def test_a_cookie_that_was_made_up_does_not_count(cookie: str) -> None:
    assert sessions().seconds_left(cookie, NOW) == 0


def test_neither_a_later_end_nor_another_secret_counts() -> None:
    end, _, signature = sessions().issue(NOW).partition(".")
    assert sessions().seconds_left(f"{int(end) + 1}.{signature}", NOW) == 0
    assert sessions("t" * 43).seconds_left(f"{end}.{signature}", NOW) == 0


def test_two_clusters_on_one_machine_have_cookies_of_their_own() -> None:
    assert sessions().cookie != sessions("t" * 43).cookie


def test_only_the_whole_secret_is_the_secret() -> None:
    assert sessions().is_secret(SECRET)
    assert not any(
        sessions().is_secret(other) for other in ("", SECRET[:-1], SECRET + "s", "é" * 43, "\ud800")
    )


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 32 letters"):
        Sessions("secret", 1.0)


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/pod/a/b?x=1", "/pod/a/b?x=1"),
        ("", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
    ],
)
def test_the_login_leads_nowhere_else(wanted: str, goes: str) -> None:
    assert own_path(wanted) == goes
