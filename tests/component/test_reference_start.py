"""The start of kube-apiserver: cut short, and with certificates.

Scripts stand for it, so that no binary of Kubernetes is needed: one that never comes to be ready, and one that
serves `/readyz` as its flags say.
"""

import asyncio
import json
import ssl
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from bench.etcd import find_etcd, free_port
from bench.reference.cluster import KubeCluster
from bench.reference.programs import Program
from vaina.client.rest.kubeconfig import read_kubeconfig
from vaina.clock import SystemClock

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(60),
    pytest.mark.skipif(find_etcd() is None, reason="no etcd: run `make test-component`, which fetches it"),
]
CLOCK = SystemClock()


async def test_who_gives_up_the_start_need_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port()  # what keeps ports apart stays where it is
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "kube-apiserver"
    path.write_text("#!/bin/sh\nexec sleep 300\n")
    path.chmod(0o755)
    program = Program("kube-apiserver", path, "v1.37.2", "")
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(KubeCluster(program, program, fsync=False).__aenter__())
        while not names(tmp_path, "vaina-reference-*/apiserver.log"):
            await CLOCK.sleep(0.02)
        starting.cancel()
    assert starting.cancelled()
    assert names(tmp_path, "*") == ["kube-apiserver"]


#: tells who showed which certificate, and reads etcd's health with its own
STAND_IN = """#!{python}
import http.server, json, ssl, sys, urllib.request
flags = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        mine = ssl.create_default_context(cafile=flags["etcd-cafile"])
        mine.load_cert_chain(flags["etcd-certfile"], flags["etcd-keyfile"])
        page = urllib.request.urlopen(flags["etcd-servers"] + "/health", context=mine).read()
        subject = dict(part[0] for part in self.connection.getpeercert()["subject"])
        body = json.dumps([subject, json.loads(page)]).encode()
        self.send_response(200 if "Authorization" not in self.headers else 500)
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", int(flags["secure-port"])), Pages)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=flags["client-ca-file"])
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(flags["tls-cert-file"], flags["tls-private-key-file"])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


async def test_with_certificates_all_show_some_to_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port()  # what keeps ports apart stays where it is
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "kube-apiserver"
    path.write_text(STAND_IN.format(python=sys.executable))
    path.chmod(0o755)
    program = Program("kube-apiserver", path, "v1.37.2", "")
    async with KubeCluster(program, program, fsync=False, certificates=True) as cluster:
        [folder] = names(tmp_path, "vaina-reference-*")
        connection = read_kubeconfig(tmp_path / folder / "kubeconfig")

        def ask() -> list[dict[str, str]]:
            shown = ssl.create_default_context(cafile=str(connection.authority))
            shown.load_cert_chain(str(connection.certificate), str(connection.key))
            page = urllib.request.urlopen(f"{connection.server}/readyz", context=shown).read()
            found: list[dict[str, str]] = json.loads(page)
            return found

        # What kube-scheduler is given names the scheduler.
        assert await asyncio.to_thread(ask) == [
            {"commonName": "system:kube-scheduler"}, {"health": "true", "reason": ""},
        ]  # fmt: skip
        assert connection.token is None
        transport = cluster.transport()
        await transport.close()
    assert names(tmp_path, "*") == ["kube-apiserver"]


def names(folder: Path, pattern: str) -> list[str]:
    return [path.name for path in folder.glob(pattern)]
