"""What kubectl explains of fields from the REST API's documents, and what `vaina explain` says: the same."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.component.rest.test_streams import needs_kubectl, run_kubectl
from tests.support.apiserver import make_apiserver
from tests.support.command import CommandLine
from tests.support.rest import rest_server

pytestmark = [pytest.mark.component, pytest.mark.timeout(120), needs_kubectl]

WORDS: tuple[tuple[str, ...], ...] = (
    ("pods",), ("pod.spec.containers",), ("pods.spec.containers.resources.limits",), ("pods.metadata",),
    ("deploy.spec.strategy.rollingUpdate",), ("sts.spec.volumeClaimTemplates",), ("configmaps.data",),
    ("pods.spec.affinity.nodeAffinity",), ("persistentvolumes.spec.csi",), ("pods", "--recursive"), ("cronjobs", "--recursive"),
)  # fmt: skip


def lines(text: str) -> list[str]:
    """Return the lines of a text but for what differs on purpose.

    kubectl has lines with spaces alone, and of the field that is asked for it does not say that it is required.
    """
    found = [line.rstrip() for line in text.splitlines() if line.strip()]
    return [line.removesuffix(" -required-") if line.startswith("FIELD:") else line for line in found]


async def test_kubectl_and_vaina_explain_fields_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # kubectl must not find the one of whoever runs the tests.
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    line = CommandLine()
    async with rest_server(make_apiserver()) as rest:
        for words in WORDS:
            code, out, err = await run_kubectl(rest, tmp_path, "explain", *words)
            assert (code, err) == (0, b"")
            ours = await asyncio.to_thread(line.run, "explain", *words)
            assert lines(ours.out) == lines(out.decode()), words
            assert "no description" not in ours.out
