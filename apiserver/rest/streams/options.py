"""PURE: what the query of a stream asks for.

Follows apimachinery `pkg/runtime/converter.go` and `conversion.go`, and core `v1/conversion.go`, in the words of
their errors.
"""

import re
from typing import Final

from apiserver.rest.info import Query
from vaina.api.core.v1 import pod_pb2
from vaina.errors import BadRequest
from vaina.objects.times import TimeError, parse_time
from vaina.quoting import go_quote

_INTEGER: Final = re.compile(r"[+-]?[0-9]+\Z")
_DIGITS: Final = re.compile(r"[0-9]+\Z")
_INT64: Final = 1 << 63
_UINT16: Final = 1 << 16
#: ports that one session forwards in a protocol that names them all at its start
MAX_PORTS: Final = 64
_NO_STREAM: Final = "you must specify at least 1 of stdin, stdout, stderr"


def log_options(query: Query) -> pod_pb2.PodLogOptions:
    """Return the options of a log. Raises BadRequest."""
    options = pod_pb2.PodLogOptions(
        container=query.one("container"),
        follow=query.flag("follow"),
        previous=query.flag("previous"),
        timestamps=query.flag("timestamps"),
        # How the apiserver asks kubelets is not for callers to say; upstream's clients may send it.
        insecure_skip_tls_verify_backend=query.flag("insecureSkipTLSVerifyBackend"),
    )
    for name, field in (
        ("sinceSeconds", "since_seconds"), ("tailLines", "tail_lines"), ("limitBytes", "limit_bytes"),
    ):  # fmt: skip
        if name in query:
            setattr(options, field, _integer(query.one(name)))
    if "stream" in query:
        options.stream = query.one("stream")
    since = query.one("sinceTime")
    if since and since != "null":
        try:
            options.since_time.CopyFrom(parse_time(since))
        except TimeError as error:
            raise BadRequest(str(error)) from error
    return options


def exec_options(query: Query) -> pod_pb2.PodExecOptions:
    """Return the options of an exec. Raises BadRequest: it has no streams."""
    stdin, stdout, stderr, tty = _streams(query)
    if not stdin and not stdout and not stderr:
        raise BadRequest(_NO_STREAM)
    return pod_pb2.PodExecOptions(
        stdin=stdin, stdout=stdout, stderr=stderr, tty=tty, container=query.one("container"),
        command=query.get("command", ()),
    )  # fmt: skip


def attach_options(query: Query) -> pod_pb2.PodAttachOptions:
    """Return the options of an attach. Raises BadRequest: it has no streams."""
    stdin, stdout, stderr, tty = _streams(query)
    if not stdin and not stdout and not stderr:
        raise BadRequest(_NO_STREAM)
    return pod_pb2.PodAttachOptions(
        stdin=stdin, stdout=stdout, stderr=stderr, tty=tty, container=query.one("container")
    )


def _streams(query: Query) -> tuple[bool, bool, bool, bool]:
    stdin, stdout, stderr, tty = (query.flag(name) for name in ("stdin", "stdout", "stderr", "tty"))
    # A terminal has one output: kubelet `pkg/cri/streaming/remotecommand/httpstream.go` (NewOptions).
    return stdin, stdout, stderr and not tty, tty


def ports(query: Query) -> list[int]:
    """Return the ports of a port-forward that names them at its start. Raises BadRequest.

    Follows core `v1/conversion.go` (Convert_Slice_string_To_Slice_int32) and kubelet
    `pkg/cri/streaming/portforward/websocket.go` (NewV4Options).
    """
    found: list[int] = []
    for value in query.get("ports", ()):
        for text in value.split(","):
            why = "invalid syntax" if not _DIGITS.match(text) else ""
            if not why and int(text[:20]) >= _UINT16:
                why = "value out of range"
            if why:
                raise BadRequest(
                    f"cannot convert to []int32: strconv.ParseUint: parsing {go_quote(text)}: {why}"
                )
            if not int(text):
                raise BadRequest(f"port {go_quote(value)} must be > 0")
            found.append(int(text))
    if not found:
        raise BadRequest('query parameter "port" is required')
    if len(found) > MAX_PORTS:
        raise BadRequest(f"{len(found)} ports at once: at most {MAX_PORTS} are forwarded over one connection")
    return found


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise BadRequest(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax")
    # A number of more digits is out of range, and need not be made.
    value = int(text) if len(text.lstrip("+-0")) < 20 else _INT64
    if not -_INT64 <= value < _INT64:
        raise BadRequest(f"strconv.ParseInt: parsing {go_quote(text)}: value out of range")
    return value
