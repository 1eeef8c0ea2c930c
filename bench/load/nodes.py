"""The nodes of a run: made as its settings want them, and let go and come back (`createNodes`, `churnNodes`).
Called by `run`.
"""

from collections.abc import Sequence

from bench.load.context import Context, RunError
from bench.load.hollow import Addresses, HollowKubelets
from bench.load.node_churn import NodeChurn, churn_nodes
from bench.load.scrape import Meter, ProcMeter
from bench.load.shares import deal, share
from bench.load.simulated import SimulatedKubelets
from bench.load.workload import ChurnNodes, CreateNodes, NodeTemplate


class RunNodes:
    """Owns the kubelets that the run has started. Owned by the run."""

    def __init__(self, context: Context) -> None:
        self._context, self._settings, self._target = context, context.settings, context.target
        self._client, self._making, self._notes = context.client, context.making, context.notes
        self._hollow: list[HollowKubelets | SimulatedKubelets] = []
        self._addresses = Addresses()
        credentials = self._target.credentials
        self._cert_dir = "" if credentials is None else str(credentials.path)

    async def create(self, number: int, name: str, step: CreateNodes) -> None:
        """Make the nodes of a step, and what stands behind them; a cluster's own are left as they are.

        Raises:
            HollowError: the nodes did not come.
            RunError: their kubelets say something else than the step.
            ApiError: one was refused.
        """
        count = self._context.workload.count(step)
        strategy = step.label_node_prepare_strategy
        kinds = step.node_templates or [NodeTemplate(step.node_template_path)]
        dealt = deal(count, [share(one.share) for one in kinds], self._context.dice(number))

        def labels(index: int) -> dict[str, str]:
            if strategy is None:
                return {}
            return {strategy.label_key: strategy.label_values[index % len(strategy.label_values)]}

        match self._settings.nodes:
            case "real":
                self._notes.append(f"{name}: left out, the cluster's own nodes are used")
                return
            case "hollow":
                if step.node_allocatable_strategy is not None:
                    raise RunError(
                        f"{name}: nodeAllocatableStrategy: nodes are hollow, whose kubelets say what they have"
                    )
                for kind, one in enumerate(kinds):
                    mine = [index for index, dealt_kind in enumerate(dealt) if dealt_kind == kind]
                    await self._start_hollow(one.node_template_path, [labels(index) for index in mine])
            case _:
                paths = [kinds[kind].node_template_path for kind in dealt]
                await self._making.make_nodes(paths, labels, step.node_allocatable_strategy)
                if self._settings.nodes == "simulated" and not self._hollow:
                    self._hollow.append(
                        SimulatedKubelets(self._target.address, self._settings, self._cert_dir)
                    )
        self._context.progress.say(f"{name}: {count:,} nodes")

    async def _start_hollow(self, path: str, labels: Sequence[dict[str, str]]) -> None:
        hollow = HollowKubelets(
            self._client, self._target.address, self._settings, len(self._hollow),
            heartbeats=not self._target.is_disposable, cert_dir=self._cert_dir, hosts=self._context.machines.hosts,
        )  # fmt: skip
        self._hollow.append(hollow)
        template = self._making.template(path, "Node")
        await hollow.start(
            len(labels), template, labels.__getitem__, self._settings.patience_seconds, self._addresses
        )
        self._making.nodes += len(labels)

    async def churn(self, number: int, name: str, step: ChurnNodes) -> None:
        """Begin to let nodes go and come back, beside the steps that follow.

        Raises:
            RunError: they are not the run's to take away, or none would stay.
        """
        kind = self._settings.nodes
        if kind == "real" or (kind == "hollow" and step.mode == "recreate"):
            raise RunError(f"{name}: nodes are {kind}, whose kubelets are not the run's to take away")
        nodes = await self._client.nodes.list(label_selector=self._settings.selector)
        names = sorted(node.metadata.name for node in nodes.items)
        if step.number >= len(names):
            raise RunError(
                f"{name}: number: {step.number:,} of {len(names):,} nodes cannot be away: one must stay"
            )
        churn = NodeChurn(self._client, self._settings, step)
        rng = self._context.dice(number)
        self._context.spawn(
            churn_nodes(churn, names, rng, lambda words: self._notes.append(f"{name}: {words}"))
        )

    def meters(self) -> dict[str, Meter]:
        """Return where the usage of each process of kubelets is read."""
        pids = [pid for one in self._hollow for pid in one.pids]
        return {f"kubelets-{n}": ProcMeter(pid) for n, pid in enumerate(pids)}

    def close(self) -> None:
        """End the kubelets."""
        for hollow in self._hollow:
            hollow.close()
