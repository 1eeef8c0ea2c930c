"""What the page refuses to start with."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import build
from dashboard.config import DashboardConfig
from tests.support.logs import logs_restored
from vaina.config import ConfigError


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with logs_restored():
        yield


def config(folder: Path, **more: object) -> DashboardConfig:
    (folder / "token").write_text("s" * 43 + "\n")
    given = {
        "login_token_file": str(folder / "token"),
        "listen": "127.0.0.1:0",
        "metrics_listen": "127.0.0.1:0",
    }
    return DashboardConfig(**(given | more))  # type: ignore[arg-type]  # as the test names them


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"listen": "0.0.0.0:0"}, "the page is served in the clear"),
        ({"metrics_listen": "0.0.0.0:0"}, "is not served in the clear"),
        ({"login_token_file": ""}, "name the file with the secret"),
        ({"login_token_file": "/no/such/file"}, "/no/such/file"),
        ({"log_level": "loud"}, "loud"),
        ({"prometheus": "127.0.0.1:9090"}, "is no URL"),
        ({"cert_dir": "/no/such/folder"}, "/no/such/folder"),
    ],
)
async def test_it_does_not_start(tmp_path: Path, more: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await build.run(config(tmp_path, **more), asyncio.Event())


async def test_a_secret_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    made = config(tmp_path)
    (tmp_path / "token").write_text("password")
    with pytest.raises(ConfigError, match="fewer than 32 letters"):
        await build.run(made, asyncio.Event())


async def test_beyond_loopback_it_is_served_where_somebody_says_so(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    await build.run(config(tmp_path, listen="0.0.0.0:0", listen_in_the_clear=True), stop)
