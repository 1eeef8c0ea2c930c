"""What is agreed with whoever calls the command: which server, whose certificate, how Ctrl-C ends it.

Imports next to nothing.
"""

from collections.abc import Mapping
from pathlib import Path

DEFAULT_SERVER = "127.0.0.1:6443"
#: exit code after Ctrl-C, as shells have it
INTERRUPTED = 130
#: set by the user's shell when it asks for words
COMPLETION_VARIABLE = "_VAINA_COMPLETE"
#: where the cluster of docker-compose.yml leaves the administrator's certificate, by the project's name
ADMIN = Path(__file__).resolve().parents[1] / "deploy" / "admin"
#: the file by which a folder is known as one of a certificate; as in vaina/pki/folder.py
_CERTIFICATE = "tls.crt"


def certificate_folder(environment: Mapping[str, str], admin: Path = ADMIN) -> str:
    """Return the folder of the user's certificate; empty: there is none, and calls go in the clear.

    VAINA_CERT_DIR names it, an empty one says that there is none. Where nothing is said, that of the cluster
    of this checkout is taken, if there is one.
    """
    given = environment.get("VAINA_CERT_DIR")
    if given is not None:
        return given
    found = admin / (environment.get("COMPOSE_PROJECT_NAME") or "vaina")
    return str(found) if (found / _CERTIFICATE).exists() else ""
