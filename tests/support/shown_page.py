"""A control plane whose page is served: etcd, apiserver, scheduler, two nodes that run nothing; no Docker."""

from tests.support.identities import SCHEDULER
from tests.support.secured import Plane
from vaina.pki.authority import Profile

SECRET = "the-secret-of-the-login-link-of-these-tests"
DASHBOARD = Profile("system:vaina-dashboard")
NODES = ("node-1", "node-2")


class Shown:
    """A control plane, and where its page is."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        scheduler = plane.start_component("scheduler", SCHEDULER, "--leader-elect=false")
        for name in NODES:
            plane.start_kubelet(name)
        token = plane.identities.root / "login-token"
        token.write_text(SECRET)
        address = plane.start_component(
            "dashboard", DASHBOARD, f"--login-token-file={token}", f"--scheduler={scheduler}"
        )
        self.url = f"http://{address}"

    def link(self, path: str = "/") -> str:
        """Return the login link that leads to a path."""
        return f"{self.url}/login?token={SECRET}&to={path.replace('?', '%3F').replace('&', '%26')}"
