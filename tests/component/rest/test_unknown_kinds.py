"""What the real kubectl says of kinds that are not served: what it says against a kube-apiserver."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.kubectl import PROGRAM, Kubectl
from tests.support.rest import rest_server

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(180),
    pytest.mark.skipif(PROGRAM is None, reason="kubectl is not installed (deploy/trixie.sh kubectl)"),
]
KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c,
  cluster: {server: 'SERVER'}}]}
"""
TRANSCRIPT = """
$ apply -f known.yaml
error: resource mapping not found for name: "x" namespace: "" from "known.yaml": no matches for kind "Foo" in version "apps/v1"
ensure CRDs are installed first
[1]
$ create -f known.yaml
error: resource mapping not found for name: "x" namespace: "" from "known.yaml": no matches for kind "Foo" in version "apps/v1"
ensure CRDs are installed first
[1]
$ apply --server-side -f known.yaml
error: resource mapping not found for name: "x" namespace: "" from "known.yaml": no matches for kind "Foo" in version "apps/v1"
ensure CRDs are installed first
[1]
$ apply -f foreign.yaml
error: resource mapping not found for name: "x" namespace: "" from "foreign.yaml": no matches for kind "Foo" in version "example.com/v1"
ensure CRDs are installed first
[1]
$ apply --dry-run=server -f foreign.yaml
error: resource mapping not found for name: "x" namespace: "" from "foreign.yaml": no matches for kind "Foo" in version "example.com/v1"
ensure CRDs are installed first
[1]
$ get foos
error: the server doesn't have a resource type "foos"
[1]
$ get crds
error: the server doesn't have a resource type "crds"
[1]
$ get --raw /apis/apiextensions.k8s.io/v1/customresourcedefinitions
{"kind":"CustomResourceDefinitionList","apiVersion":"apiextensions.k8s.io/v1","metadata":{"resourceVersion":""},"items":[]}
"""


async def test_a_kind_that_is_not_served_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    for name, version in (("known", "apps/v1"), ("foreign", "example.com/v1")):
        manifest = f"apiVersion: {version}\nkind: Foo\nmetadata: {{name: x}}"
        (tmp_path / f"{name}.yaml").write_text(manifest)
    async with rest_server() as server:
        (tmp_path / "kubeconfig").write_text(KUBECONFIG.replace("SERVER", server.url))
        kubectl = Kubectl(tmp_path / "kubeconfig", "default", tmp_path, tmp_path / "home")
        await asyncio.to_thread(kubectl.follows, TRANSCRIPT)
