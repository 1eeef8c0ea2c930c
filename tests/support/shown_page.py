"""A control plane whose page is served: etcd, apiserver, scheduler, controllers, two hollow nodes; no Docker."""

from collections.abc import Sequence

from bench.etcd import free_port
from tests.support.identities import CONTROLLER_MANAGER, SCHEDULER
from tests.support.secured import Plane
from vaina.pki.authority import Profile

SECRET = "the-secret-of-the-login-link-of-these-tests"
DASHBOARD = Profile("system:vaina-dashboard")
NODES = ("node-1", "node-2")
#: an apiserver that is away for a while costs nobody the lead: who loses it ends
PATIENT = ("--leader-elect-lease-duration-seconds=200", "--leader-elect-renew-deadline-seconds=150")
#: so slow that a step is seen before the next one
STAGES = "--hollow-stages=run_sandbox=0.2,start_container=0.2"


class Shown:
    """A control plane, and where its page is."""

    def __init__(
        self, plane: Plane, nodes: Sequence[str] = NODES, kubelet: Sequence[str] = (STAGES,)
    ) -> None:
        """Start all but the apiserver; `kubelet` are flags of every node's."""
        self.plane = plane
        scheduler = plane.start_component("scheduler", SCHEDULER, *PATIENT)
        controller = plane.start_component("controller", CONTROLLER_MANAGER, *PATIENT)
        for name in nodes:
            plane.start_kubelet(name, *kubelet)
        token = plane.identities.root / "login-token"
        token.write_text(SECRET)
        #: where the page looks for Prometheus; nobody is there
        self.prometheus_port = free_port()
        address = plane.start_component(
            "dashboard", DASHBOARD, f"--login-token-file={token}", f"--scheduler={scheduler}",
            f"--controller={controller}", f"--prometheus=http://127.0.0.1:{self.prometheus_port}",
        )  # fmt: skip
        self.url = f"http://{address}"
        self.page_pid = plane.pids["dashboard"]

    def link(self, path: str = "/") -> str:
        """Return the login link that leads to a path."""
        return f"{self.url}/login?token={SECRET}&to={path.replace('?', '%3F').replace('&', '%26')}"
