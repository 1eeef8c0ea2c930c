"""How a command ends early, with an error or an exit code; and errors of the server as kubectl prints them."""

from vaina.errors import ApiError, Invalid, Timeout, Unavailable
from vaina.quoting import go_quote


class Failure(Exception):
    """A command that cannot go on: told as `error: ...`."""


class Exit(Exception):
    """A command ends with an exit code, and these words; empty: it has said what there was to say."""

    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(code)
        self.code, self.words = code, words


def explain_error(error: ApiError, *, server: str = "", doing: str = "") -> str:
    """Write an error for people.

    `server` is the address of the apiserver; `doing` says what was done to which file: `creating "pod.yaml"`.
    """
    if isinstance(error, Invalid) and not (error.causes or error.kind or error.name):
        return f"The request is invalid: {error.message}"
    if isinstance(error, Invalid) and error.causes:
        # The kind alone, though the server's own message has its group as well.
        head = (
            f"The {error.kind} {go_quote(error.name)} is invalid: "
            if error.kind or error.name
            else "The request is invalid: "
        )
        lines = list(dict.fromkeys(str(cause) for cause in error.causes))
        if len(lines) == 1:
            return f"{head}{lines[0]}"
        return "\n".join((head, *(f"* {line}" for line in lines)))
    if isinstance(error, Unavailable) and error.message.endswith("certificate refused?"):
        return (
            f"Unable to connect to the server: {server} ended the handshake: certificate refused? "
            "VAINA_CERT_DIR names the folder of yours (docs/security.md)"
        )
    if isinstance(error, Unavailable) and not error.kind and _is_connection(error.message):
        return f"The connection to the server {server} was refused - did you specify the right host or port?"
    if isinstance(error, Timeout) and not error.kind and error.message in ("Deadline Exceeded", ""):
        return f"Unable to connect to the server: {server} did not answer in time"
    message = f"error when {doing}: {error.message}" if doing else error.message
    return f"Error from server ({error.reason}): {message}"


def _is_connection(message: str) -> bool:
    """Say whether gRPC itself found no server: the apiserver's own refusals read otherwise."""
    lower = message.lower()
    signs = (
        "failed to connect",
        "connection refused",
        "connections to all backends",
        "name resolution",
        "dns",
    )
    return any(sign in lower for sign in signs)
