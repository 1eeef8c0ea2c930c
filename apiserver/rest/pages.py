"""What is asked of the REST API itself: health, the version, metrics.

Follows apiserver `pkg/server/healthz/healthz.go` and `pkg/server/routes/version.go`. Who may ask is answered by
authorization of the path, before.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry

from apiserver.rest.discovery import Page
from apiserver.rest.info import RequestInfo
from apiserver.rest.served import Table
from apiserver.rest.status import not_found
from apiserver.tokens import interface as tokens
from vaina.api.version.v1 import version_service_pb2
from vaina.serving.http import exposition

_TEXT: Final = "text/plain; charset=utf-8"
_NO_SNIFF: Final = {"X-Content-Type-Options": "nosniff"}
VERSION: Final = "/version"
#: method that answers `VERSION`
VERSION_METHOD: Final = "/vaina.api.version.v1.VersionService/Get"

#: what kubectl lists when it does not know a kind that a group's version may have: custom resources. Without an
#: answer it stops there, and does not say what is wrong (cli-runtime `pkg/resource/query_param_verifier.go`)
_DEFINITIONS: Final = ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "list")
_NO_DEFINITIONS: Final = {
    "kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1", "metadata": {"resourceVersion": ""},
    "items": [],
}  # fmt: skip

#: by name: whether what it says holds
HealthChecks = Mapping[str, Callable[[], bool]]


def always() -> bool:
    """Say yes: that the question is answered is the answer."""
    return True


class Pages:
    """The pages of one server."""

    def __init__(
        self, ready: HealthChecks, registry: CollectorRegistry, table: Table, more: tokens.Pages | None = None
    ) -> None:
        """Make them.

        Args:
            ready: the checks that /livez leaves out.
            registry: what /metrics shows.
            table: of which / names the paths.
            more: of others, by path.
        """
        self._checks: Mapping[str, HealthChecks] = {
            "healthz": {"ping": always, **ready}, "livez": {"ping": always}, "readyz": {"ping": always, **ready},
        }  # fmt: skip
        self._registry, self._table, self._more = registry, table, more or {}

    async def answer(self, info: RequestInfo) -> Page | None:
        """Answer health, metrics and pages of others; None: no such path. Raises NotFound."""
        path = info.path.rstrip("/") or "/"
        if path == "/metrics":
            names = info.query.get("name[]")
            some = self._registry.restricted_registry(names) if names else self._registry
            return Page(CONTENT_TYPE_LATEST, await exposition(some.collect()))
        if path == "/":
            return self._index()
        if path in self._more:
            found = self._more[path]()
            kept = {"Cache-Control": f"public, max-age={found.max_age_seconds}"}
            return Page(found.content_type, found.body, 200, kept)
        root, _, name = path.removeprefix("/").partition("/")
        if root not in self._checks:
            return None
        return health_page(root, name, self._checks[root], info)

    def _index(self) -> Page:
        """Name all paths (`pkg/server/routes/index.go`)."""
        paths = {"/api", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", VERSION, *self._more}
        for group, version, _ in self._table:
            paths |= {f"/apis/{group}", f"/apis/{group}/{version}"} if group else {f"/api/{version}"}
        for root, checks in self._checks.items():
            paths |= {f"/{root}", *(f"/{root}/{name}" for name in checks)}
        content = msgspec.json.encode({"paths": sorted(paths)})
        return Page("application/json", msgspec.json.format(content, indent=2))


def health_page(root: str, name: str, checks: HealthChecks, info: RequestInfo) -> Page:
    """Return what one of the paths of health is answered with.

    Args:
        root: healthz, livez or readyz.
        name: of the one check that is asked; empty: all.
        checks: by name.
        info: of the request: `verbose` and `exclude` are read.

    Raises:
        NotFound: there is no such check.
    """
    if name:
        if name not in checks:
            raise not_found()
        if checks[name]():
            return Page(_TEXT, b"ok", 200, _NO_SNIFF)
        return Page(_TEXT, b"internal server error: not ready\n", 500, _NO_SNIFF)
    excluded = info.query.get("exclude", [])
    lines, failed = list[str](), list[str]()
    for one, holds in checks.items():
        if one in excluded:
            lines.append(f"[+]{one} excluded: ok")
        elif holds():
            lines.append(f"[+]{one} ok")
        else:
            lines.append(f"[-]{one} failed: reason withheld")
            failed.append(one)
    unknown = [one for one in excluded if one not in checks]
    if unknown:
        named = ", ".join(f'"{one}"' for one in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {named}")
    if failed:
        return Page(_TEXT, "\n".join([*lines, f"{root} check failed", ""]).encode(), 500, _NO_SNIFF)
    if "verbose" not in info.query:
        return Page(_TEXT, b"ok", 200, _NO_SNIFF)
    return Page(_TEXT, "\n".join([*lines, f"{root} check passed", ""]).encode(), 200, _NO_SNIFF)


def page_of_none(info: RequestInfo) -> Page | None:
    """Return the empty list of a resource of which there are none, and which discovery does not have."""
    if (info.group, info.version, info.resource, info.verb) != _DEFINITIONS or info.namespace:
        return None
    return Page("application/json", msgspec.json.encode(_NO_DEFINITIONS))


def version_page(answer: bytes) -> Page:
    """Return the version of which the gRPC method tells, as apimachinery's `pkg/version` Info."""
    told = version_service_pb2.VersionInfo.FromString(answer)
    fields = {
        "major": told.major, "minor": told.minor, "gitVersion": told.git_version, "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": f"python{told.python_version}",
        "compiler": "cpython", "platform": told.platform,
    }  # fmt: skip
    return Page("application/json", msgspec.json.format(msgspec.json.encode(fields), indent=2))
