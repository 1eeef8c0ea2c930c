"""Push one packed file system as an image of one layer: push.py REGISTRY REPOSITORY LAYER.tar.gz TAG...

Speaks the registry's HTTP interface (blob upload, then a manifest for each tag), so that building the image
needs no container engine inside the build.
"""

import gzip
import hashlib
import json
import platform
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def digest(data: bytes) -> str:
    """Name a blob as the registry does."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def wait_until_up(registry: str) -> None:
    """Return when the registry answers; give up after ten seconds."""
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{registry}/v2/").close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    sys.exit("the registry did not come up")


def put(url: str, data: bytes, content_type: str) -> None:
    """PUT one body; an answer that is no success raises."""
    request = urllib.request.Request(url, data, {"Content-Type": content_type}, method="PUT")
    urllib.request.urlopen(request).close()


def upload(registry: str, repository: str, data: bytes) -> None:
    """Upload one blob in a single piece."""
    start = urllib.request.Request(f"{registry}/v2/{repository}/blobs/uploads/", b"", method="POST")
    with urllib.request.urlopen(start) as answer:
        location = answer.headers["Location"]
    separator = "&" if "?" in location else "?"
    put(f"{location}{separator}digest={digest(data)}", data, "application/octet-stream")


def main(registry: str, repository: str, path: str, *tags: str) -> None:
    """Push the layer, the configuration, and one manifest for every tag."""
    layer = Path(path).read_bytes()
    config = json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {
                "Cmd": ["sh"],
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(gzip.decompress(layer))]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest(layer)}],
    }
    wait_until_up(registry)
    upload(registry, repository, layer)
    upload(registry, repository, config)
    for tag in tags:
        put(f"{registry}/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), MANIFEST)


if __name__ == "__main__":
    main(*sys.argv[1:])
