"""The log files that CRI runtimes write, line by line: `<time> <stream> <tags> <text>`. PURE.

Time is in RFC 3339 with nanoseconds, tag P for a part of a longer line and F for its end. Runtimes cut lines
at 16 KiB. (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md)
"""

from datetime import UTC, datetime

from kubelet.runtime.records import LogOptions


def seconds_of(stamp: bytes) -> float:
    """Return a line's time as seconds since the epoch. Raises ValueError."""
    at = datetime.fromisoformat(stamp.decode("ascii", errors="replace"))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def utc_stamp(stamp: bytes) -> bytes:
    """Return a line's time as it is shown: in UTC, with a Z."""
    return stamp.removesuffix(b"+00:00") + b"Z" if stamp.endswith(b"+00:00") else stamp


def ends_a_line(line: bytes) -> bool:
    """Say whether a line of the file ends one of the container's lines (or is garbage, which counts as one)."""
    fields = line.split(b" ", 3)
    return len(fields) < 4 or fields[2].split(b":")[0] != b"P"


class LogFormat:
    """Turns lines of the file into what a reader asked for; remembers streams in the middle of a line."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._inside: set[bytes] = set()

    def shown(self, line: bytes) -> bytes:
        """Return what a line of the file (without its newline) adds to the output: nothing for garbage."""
        fields = line.split(b" ", 3)
        if len(fields) < 4:
            return b""
        stamp, stream, tags, text = fields
        options = self._options
        if options.stream is not None and stream != options.stream.value.encode():
            return b""
        starts = stream not in self._inside
        if tags.split(b":")[0] == b"P":
            self._inside.add(stream)
        else:
            self._inside.discard(stream)
            text += b"\n"
        if options.since is not None:
            try:
                if seconds_of(stamp) < options.since:
                    return b""
            except ValueError:
                return b""
        return utc_stamp(stamp) + b" " + text if options.timestamps and starts else text
