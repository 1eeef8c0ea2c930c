"""VersionService: which vaina answers (`vaina version`), as Kubernetes' /version does."""

import platform

from vaina.api.version.v1 import version_service_pb2 as pb
from vaina.metrics import VERSION
from vaina.serving.handlers import Method, RequestContext, typed

SERVICE = "vaina.api.version.v1.VersionService"


def version_handlers() -> dict[str, Method]:
    """Return the methods by full path."""
    return {f"/{SERVICE}/Get": typed(_get, pb.GetVersionRequest)}


async def _get(_request: pb.GetVersionRequest, _rpc: RequestContext) -> pb.VersionInfo:
    major, minor, _ = VERSION.split(".", 2)
    return pb.VersionInfo(
        major=major, minor=minor, git_version=f"v{VERSION}", python_version=platform.python_version(),
        platform=f"{platform.system().lower()}/{platform.machine()}",
    )  # fmt: skip
