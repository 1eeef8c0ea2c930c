"""PURE: what the error channel of exec and attach says at the end.

kubectl takes a session that closes without it for a success, so it is always sent.
"""

from typing import Final

from vaina.api.meta.v1 import meta_pb2
from vaina.objects.encode import message_to_dict
from vaina.objects.manifest import write_json

SUCCESS: Final = meta_pb2.Status(status="Success")


def exit_status(code: int) -> meta_pb2.Status:
    """Return the Status of a command that has ended with a code.

    Follows apiserver `pkg/util/proxy/streamtranslator.go` (codeExitToStatusError).
    """
    if not code:
        return SUCCESS
    words = f"command terminated with non-zero exit code: command terminated with exit code {code}"
    status = meta_pb2.Status(status="Failure", reason="NonZeroExitCode", message=words)
    status.details.causes.add(reason="ExitCode", message=str(code))
    return status


def write_outcome(status: meta_pb2.Status, *, as_json: bool) -> bytes:
    """Return what stands on the error channel: the Status, or in older protocols the words of a failure.

    Follows kubelet `pkg/cri/streaming/remotecommand/httpstream.go` (v4WriteStatusFunc, v1WriteStatusFunc).
    """
    if as_json:
        return write_json(message_to_dict(status)).encode()
    return b"" if status.status == SUCCESS.status else status.message.encode()
