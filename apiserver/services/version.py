"""VersionService: which Kubernetes is followed here, and by which vaina (`vaina version`).

It answers what Kubernetes' /version does.
"""

import platform

from apiserver.authorization.checks import Checks
from vaina.api.version.v1 import version_service_pb2 as pb
from vaina.serving.handlers import Method, RequestContext, typed
from vaina.version import GIT_VERSION, MAJOR, MINOR, architecture

SERVICE = "vaina.api.version.v1.VersionService"


def version_handlers(checks: Checks) -> dict[str, Method]:
    """Return the methods by full path."""
    path = f"/{SERVICE}/Get"
    may = checks.of(path)

    async def get(_request: pb.GetVersionRequest, rpc: RequestContext) -> pb.VersionInfo:
        may(rpc)
        return pb.VersionInfo(
            major=MAJOR, minor=MINOR, git_version=GIT_VERSION, python_version=platform.python_version(),
            platform=f"{platform.system().lower()}/{architecture(platform.machine())}",
        )  # fmt: skip

    return {path: typed(get, pb.GetVersionRequest)}
