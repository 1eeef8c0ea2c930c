"""A cluster whose control plane is static Pods of a node (`make up-self-hosted`), beside any other."""

from tests.support.cluster import DEPLOY, Cluster, run


class SelfHosted(Cluster):
    """One node with the control plane, one that joined it.

    Its images are those of the project `tag`, which must have been built.
    """

    def __init__(self, project: str = "vaina-self", tag: str = "vaina-test") -> None:
        super().__init__(project, nodes=1)
        self.env |= {"VAINA_TAG": tag, "VAINA_BUILD": "no"}

    @property
    def control_plane(self) -> str:
        """The node with the control plane."""
        return f"{self.project}-node-control-plane-1"

    def up(self) -> None:
        """Start it, and wait until the control plane answers and the other node has joined."""
        run(DEPLOY / "up-self-hosted.sh", env=self.env, timeout=300)

    def container_of(self, part: str) -> str:
        """Return the id of the running container of one of the four, "" while there is none."""
        return self.execute(
            self.control_plane, "docker", "ps", "-q", "--no-trunc", "--filter", f"name=k8s_{part}_{part}-"
        ).strip()
