"""What tests of the REST API's clients share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.etcd import find_etcd, free_port
from tests.support.identities import ADMIN
from tests.support.secured import Plane
from tests.support.tokens import ISSUER
from vaina.clock import SystemClock
from vaina.pki.kubeconfig import with_files
from vaina.pki.token_keys import make_token_keys


@pytest.fixture
async def over_tls(tmp_path: Path) -> AsyncIterator[tuple[Plane, Path]]:
    """Give a control plane that makes tokens, and an administrator's kubeconfig of its REST port."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    keys, port = tmp_path / "keys", free_port()
    make_token_keys(keys, SystemClock().now(), 1e7)
    plane = Plane(
        tmp_path, f"--rest-listen=127.0.0.1:{port}", f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={keys / 'sa.key'}",
        f"--service-account-key-file={keys / 'sa.pub'}",
    )  # fmt: skip
    try:
        await plane.apiserver.start()
        shown = plane.identities.credentials(ADMIN).path
        kubeconfig = tmp_path / "kubeconfig"
        files = [str(shown / name) for name in ("ca.crt", "tls.crt", "tls.key")]
        kubeconfig.write_text(with_files("here", f"https://127.0.0.1:{port}", *files))
        yield plane, kubeconfig
    finally:
        plane.close()
