"""PURE: refusals as Kubernetes' Status and HTTP codes, and warnings as headers.

Follows apiserver `pkg/endpoints/handlers/responsewriters/errors.go`, `writers.go` (ErrorNegotiated), and
`pkg/endpoints/filters/warning.go` with apimachinery `pkg/util/net/http.go` (NewWarningHeader).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from vaina.errors import ApiError, MethodNotSupported, NotFound, UnsupportedMediaType

#: what is nowhere served
NOT_FOUND: Final = "the server could not find the requested resource"
_NOT_ALLOWED: Final = "the server does not allow this method on the requested resource"
#: bytes of all warnings of one answer; further ones are dropped
_MAX_WARNING_BYTES: Final = 4096
#: bytes of one warning, where all together are too long
_MAX_SHORT: Final = 256


def not_found() -> NotFound:
    """Nothing is served under this path."""
    return NotFound(NOT_FOUND)


def not_allowed() -> MethodNotSupported:
    """Something is served under this path, but not with this method."""
    return MethodNotSupported(_NOT_ALLOWED)


def unsupported(accepted: Sequence[str]) -> UnsupportedMediaType:
    """The body is in no form that is read (negotiation/errors.go, NewUnsupportedMediaTypeError)."""
    return UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    )


def headers_of(error: ApiError) -> dict[str, str]:
    """Return the headers that a refusal has besides its body."""
    return {"Retry-After": str(max(1, round(error.retry_seconds)))} if error.retry_seconds else {}


def warning_headers(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Return the headers of warnings: Warning: 299 - "text".

    Control characters are left out and what is no UTF-8 text is replaced; each is written once. When all of them
    are too long, each is shortened, and what is still beyond the bound is dropped.
    """
    plain = list(dict.fromkeys(filter(None, map(_printable, texts))))
    if sum(map(len, plain)) > _MAX_WARNING_BYTES:
        plain = [text[:_MAX_SHORT] for text in plain]
    headers, room = list[tuple[str, str]](), _MAX_WARNING_BYTES
    for text in plain:
        room -= len(text.encode())
        if room < 0:
            break
        headers.append(("Warning", f'299 - "{_escaped(text)}"'))
    return headers


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character for character in text if ord(character) >= 0x20 and character != "\x7f")


def _escaped(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
