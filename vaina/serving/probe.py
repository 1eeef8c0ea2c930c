"""Ask a server's health from a shell: `python -m vaina.serving.probe HOST:PORT [SERVICE]`.

Exit code 0 means SERVING. VAINA_CERT_DIR names the folder of the certificate to show; without it the call goes
in the clear.

Container health checks run it every few seconds, so it imports nothing but gRPC and the health messages, and
uses the plain (synchronous) channel, which starts faster than an event loop.
"""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from vaina.pki.folder import client_folder

TIMEOUT_SECONDS = 3.0


def probe(target: str, service: str = "", *, cert_dir: str = "") -> str:
    """Return the health of a server as a word: SERVING, NOT_SERVING, or the gRPC code of the failure."""
    folder = client_folder(cert_dir)
    if folder is None:
        opened = grpc.insecure_channel(target)
    else:
        opened = grpc.secure_channel(target, folder.current().channel_credentials())
    with opened as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
        word: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return word


def main(argv: list[str]) -> int:
    """Print the health and return the exit code."""
    if len(argv) not in (2, 3):
        sys.stderr.write("usage: python -m vaina.serving.probe HOST:PORT [SERVICE]\n")
        return 2
    word = probe(*argv[1:], cert_dir=os.environ.get("VAINA_CERT_DIR", ""))  # noqa: TID251 - a main program
    sys.stdout.write(word + "\n")
    return 0 if word == "SERVING" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
