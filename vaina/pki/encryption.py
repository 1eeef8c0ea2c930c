"""The key for Secrets at rest, in a file that the apiserver reads (docs/secrets-at-rest.md)."""

import base64
import secrets
from pathlib import Path
from typing import Final

from vaina.pki.folder import write_file

_BYTES: Final = 32
#: upstream's EncryptionConfiguration; what is not encrypted yet is read as well
_TEXT: Final = """apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aesgcm:
          keys:
            - name: key1
              secret: {secret}
      - identity: {{}}
"""


def make_encryption_config(path: Path) -> bool:
    """Write a file with a fresh key, its owner's alone, unless there is one. Return whether it was written.

    A key that is there is never replaced: what it encrypted would be lost.
    """
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    write_file(path, _TEXT.format(secret=secret).encode())
    return True
