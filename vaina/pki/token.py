"""What a node calls with before it has a certificate: a bootstrap token, and the authority of servers."""

from dataclasses import dataclass
from random import Random
from typing import Final

import grpc

from vaina.pki.folder import AUTHORITIES, Folder, FolderError, Material

#: in the folder that a node is given: the token, and the authorities of servers (ca.crt) and of apiservers
TOKEN: Final = "token"  # noqa: S105 - a file's name
KUBELET_CLIENT_AUTHORITIES: Final = "kubelet-client-ca.crt"
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True, eq=False)
class _Bearer(Material):
    token: str = ""

    def channel_credentials(self) -> grpc.ChannelCredentials:
        server = grpc.ssl_channel_credentials(self.authorities)
        return grpc.composite_channel_credentials(server, grpc.access_token_call_credentials(self.token))


class TokenFolder(Folder):
    """A folder with a token instead of a certificate."""

    def _read(self) -> Material:
        try:
            token = (self.path / TOKEN).read_text("ascii").strip()
            return _Bearer(b"", b"", (self.path / AUTHORITIES).read_bytes(), token=token)
        except (OSError, ValueError) as error:
            raise FolderError(f"{self.path}: {error}") from error


def make_token(rng: Random) -> str:
    """Make a token; `rng` draws what nobody can guess."""
    letters = [rng.choice(_ALPHABET) for _ in range(22)]
    return f"{''.join(letters[:6])}.{''.join(letters[6:])}"
