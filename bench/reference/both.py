"""One workload on both sides in turn.

Kube-apiserver with kube-scheduler, then ours, each run on processes of its own. Called by the command.
"""

import secrets
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec.structs import replace

from bench.load import facts
from bench.load.cluster import LocalCluster, LocalSettings
from bench.load.long_enough import Bounds
from bench.load.progress import Progress
from bench.load.report import Machine, Report
from bench.load.report_text import verdict
from bench.load.series import Once, Series
from bench.load.session import run_workload
from bench.load.settings import Settings
from bench.load.workload import Workload
from bench.reference.cluster import KubeCluster, apiserver_flags, scheduler_config, scheduler_flags
from bench.reference.programs import Program
from bench.reference.raw import Entry, ProgramUsed, Side
from cli.commands.load_target import client_of
from vaina.client.clientset import Clientset
from vaina.clock import rfc3339

#: a call may wait long for its turn under load, as with `vaina load`
_CALL_SECONDS: Final = 60.0
_TLS: Final = "kube-apiserver serves nothing but TLS and was spoken to with a static token; vaina was spoken to in the clear"
_CERTIFICATES: Final = "all processes of both sides showed certificates to each other, etcd's among them"
#: upstream: pkg/scheduler/schedule_one.go, scheduleOnePod, has a goroutine for each binding
_ORDER: Final = (
    "the judge looks at each binding as of the moment at which it was written; kube-scheduler writes bindings side by side, "
    "in another order than it decided: what is said of its PodTopologySpread and InterPodAffinity may be no more than that"
)


@dataclass(frozen=True, slots=True)
class How:
    """How both sides are run."""

    apiserver: Program
    scheduler: Program
    fsync: bool = True
    #: both sides speak over TLS and show certificates, instead of the reference alone, with a token
    certificates: bool = False
    #: of each side
    repeat: int = 1
    bounds: Bounds | None = None
    seed: int = 1
    verify: bool = True
    patience_seconds: float = 120.0


@dataclass(slots=True)
class Both:
    """Runs one workload on both sides. Owned by one task."""

    workload: Workload
    how: How
    progress: Progress
    begun: str = field(default_factory=lambda: rfc3339(time.time()))
    machine: Machine = field(default_factory=lambda: facts.machine(with_etcd=True))
    #: of the runs that count, in their order; also of those before one that failed
    reference: list[Report] = field(default_factory=list)
    vaina: list[Report] = field(default_factory=list)
    #: what the judge found in any run of ours, also in those that only showed how many Pods are needed
    violations: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Make all runs, A B A B.

        Raises:
            RunError: Pods did not come as far as they should.
            ClusterError: a process does not start.
            MeasureError: the workload's measured Pods cannot be made more or fewer.
            ApiError: an apiserver refuses, or does not answer.
        """
        theirs = self._series("reference", self._on_theirs).each(self.workload)
        ours = self._series("vaina", self._on_ours).each(self.workload)
        async with aclosing(theirs), aclosing(ours):
            for _ in range(self.how.repeat):
                self.reference.append(await anext(theirs))
                self.vaina.append(await anext(ours))

    def entry(self) -> Entry:
        """Return what was found so far."""
        how = self.how
        etcd = ProgramUsed(self.machine.etcd)
        kubernetes = {
            how.apiserver.name: _used(
                how.apiserver,
                apiserver_flags("FOLDER", etcd="127.0.0.1:PORT", port="PORT", certificates=how.certificates),
            ),
            how.scheduler.name: _used(
                how.scheduler,
                [
                    *scheduler_flags("FOLDER", port="PORT"),
                    msgspec.json.encode(scheduler_config("FOLDER")).decode(),
                ],
            ),
        }
        return Entry(
            workload=self.workload.name, when=self.begun, where="", machine=self.machine, fsync=how.fsync,
            commit=facts.commit(),
            reference=Side(tls=True, programs={"etcd": etcd} | kubernetes, reports=self.reference),
            vaina=Side(tls=how.certificates, programs={"etcd": etcd}, reports=self.vaina),
            notes=[_CERTIFICATES if how.certificates else _TLS, *([_ORDER] if self._is_doubted() else [])],
        )  # fmt: skip

    def _is_doubted(self) -> bool:
        return any(one.verification and one.verification.violations for one in self.reference)

    def _series(self, side: str, once: Once) -> Series:
        def say(text: str) -> None:
            self.progress.say(f"{side}: {text}")

        settings = Settings(
            run=f"load-{secrets.token_hex(3)}", create="pending", seed=self.how.seed, verify=self.how.verify,
            patience_seconds=self.how.patience_seconds,
        )  # fmt: skip
        return Series(once, settings, times=self.how.repeat, bounds=self.how.bounds, say=say)

    async def _on_theirs(self, workload: Workload, settings: Settings) -> Report:
        how = self.how
        async with (
            KubeCluster(
                how.apiserver, how.scheduler, fsync=how.fsync, certificates=how.certificates
            ) as cluster,
            Clientset(cluster.transport(), timeout=_CALL_SECONDS) as client,
        ):
            report = await run_workload(
                workload, cluster, client, settings, self.progress, fsync=how.fsync, tls=True
            )
        return self._judged("reference", report)

    async def _on_ours(self, workload: Workload, settings: Settings) -> Report:
        fsync, tls = self.how.fsync, self.how.certificates
        async with (
            LocalCluster(LocalSettings(fsync=fsync, tls=tls)) as cluster,
            client_of(cluster.address, cluster.credentials) as client,
        ):
            report = await run_workload(
                workload, cluster, client, settings, self.progress, fsync=fsync, tls=tls
            )
        return self._judged("vaina", report)

    def _judged(self, side: str, report: Report) -> Report:
        rates = ", ".join(
            f"{one.throughput.average:,.0f} Pods/s in {one.seconds:.1f} s" for one in report.measurements
        )
        self.progress.say(f"{side}: {rates}; {verdict(report.verification)}")
        if side == "vaina" and report.verification:
            self.violations += report.verification.violations
        return without_plots(report)


def without_plots(report: Report) -> Report:
    """Return a report without what only plots need, nine tenths of it: raw data are kept in the repository."""
    plain = [
        replace(
            one,
            bound_over_time=[],
            latencies={name: replace(value, distribution=[]) for name, value in one.latencies.items()},
        )
        for one in report.measurements
    ]
    return replace(report, measurements=plain)


def _used(program: Program, flags: Sequence[str]) -> ProgramUsed:
    return ProgramUsed(program.version, program.sha256, list(flags))
