"""Keeps grpc.aio alive when the path of a call is not UTF-8.

grpc.aio (1.85.1) decodes `:path` in the one loop that accepts calls, outside any `try`: a single HEADERS frame with a byte like 0x88 ends the
whole server, listening socket included, while the process lives on (found by `tests/component/test_wire_attacks.py`; the line is
`method_name = rpc_state.method().decode()` in `_cygrpc/aio/server.pyx.pxi`). No option, interceptor or subclass comes before that line.

What does is Python's registry of codec errors: "strict" is looked up there when a decoding fails. `install` puts a handler in that place which
raises as before, for everybody but for native code that a loop runs directly, with no Python function between: that is grpc.aio's loop. There
the byte becomes U+FFFD, no method has such a name, and the caller is told UNIMPLEMENTED.
"""

import asyncio
import codecs
import sys

_RUN_CODE = asyncio.Handle._run.__code__  # what a loop calls things with


def _strict(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError) and sys._getframe(1).f_code is _RUN_CODE:
        return "\ufffd", error.end
    raise error


def install() -> None:
    """Take the place of the handler of "strict"; doing it twice is doing it once."""
    codecs.register_error("strict", _strict)
