"""A client that a test runs inside a Pod: it needs nothing but Python and grpc.

It reads attempts as JSON from standard input, makes all of them at once, and writes what came of each. A
certificate (`cert`) is a folder with `tls.crt` and `tls.key` in the Pod. It is meant for `python -c`, so it
imports nothing of this repository.
"""

import base64
import json
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

#: longer than a busy machine may stand still
SECONDS = 8.0


def say(to: str, what: str, *, tls: bool = False, cert: str = "") -> str:
    """Send some text and return the answer; `unreached` when nobody takes the connection."""
    host, _, port = to.rpartition(":")
    try:
        connection = socket.create_connection((host, int(port)), SECONDS)
    except OSError:
        return "unreached"
    answer = b""
    try:
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if cert:
                context.load_cert_chain(f"{cert}/tls.crt", f"{cert}/tls.key")
            connection = context.wrap_socket(connection)
        connection.sendall(what.encode())
        while len(answer) < 10_000 and (part := connection.recv(4096)):
            answer += part
    except (OSError, ssl.SSLError):
        pass  # the other side ended it: what came before counts
    finally:
        connection.close()
    return answer.decode("latin-1")


def call(
    to: str, method: str, *, ca: str, name: str, body: str = "", cert: str = "", token: str | None = None
) -> str:
    """Make a gRPC call and return its code and message, or OK.

    Args:
        to: host and port.
        method: its path.
        ca: the authority of the server, as PEM.
        name: the server's, as its certificate has it.
        body: the request, in base64.
        cert: the folder with the caller's certificate; empty: none.
        token: shown as a bearer token.
    """
    shown = [(Path(cert) / file).read_bytes() for file in ("tls.key", "tls.crt")] if cert else [None, None]
    credentials = grpc.ssl_channel_credentials(ca.encode(), *shown)
    metadata = [("authorization", f"Bearer {token}")] if token is not None else []
    options = [("grpc.ssl_target_name_override", name)]
    with grpc.secure_channel(to, credentials, options) as channel:
        # A stream of answers, of which the first one is enough.
        answers = channel.unary_stream(method)(base64.b64decode(body), metadata=metadata, timeout=SECONDS * 3)
        try:
            next(answers, None)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        answers.cancel()
    return "OK"


def attempt(one: dict[str, Any]) -> str:
    """Make one attempt."""
    return {"say": say, "call": call}[one.pop("do")](**one)


if __name__ == "__main__":
    with ThreadPoolExecutor(20) as pool:
        sys.stdout.write(json.dumps(list(pool.map(attempt, json.load(sys.stdin)))))
