"""What a Pod of the mixture costs the scheduler's decision: `MixedApps` in process, without apiserver and queue.

    python -m bench.mixture [--nodes 5000] [--apps 300 3000] [--pods 10000] [--plain] [--profile FILE]

Nodes and Pods are those of the workload `MixedApps`, in random turn; each Pod is placed before the next is
decided. `--plain` does without accelerators. Nothing is asserted.
"""

import argparse
import cProfile
import random
import resource
import time
from typing import Final

from bench.load.apps import plan_apps, pod_of
from bench.load.parse import WORKLOADS, find_workload, read_workloads
from bench.load.shares import deal, share
from bench.load.templates import Template
from bench.load.workload import Apps, CreateNodes, CreatePods
from scheduler.cache.cache import Cache
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.decide.ahead import Ahead
from scheduler.decide.cycle import Cycles
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
SEED: Final = 1


def _steps() -> tuple[CreateNodes, Apps]:
    nodes, pods = find_workload("MixedApps/300Apps", read_workloads()).case.workload_template
    assert isinstance(nodes, CreateNodes)
    assert isinstance(pods, CreatePods)
    assert pods.apps is not None
    return nodes, pods.apps


def _cache(spec: CreateNodes, count: int) -> Cache:
    cache = Cache()
    kinds = [Template.read(WORKLOADS / kind.node_template_path, [{}]) for kind in spec.node_templates]
    dealt = deal(count, [share(kind.share) for kind in spec.node_templates], random.Random(SEED))
    for number, kind in enumerate(dealt):
        node = kinds[kind].maker("run", {}).make(number, f"{number:05}")
        node.metadata.labels[HOST] = node.metadata.name
        node.metadata.labels[ZONE] = f"zone{number % 3}"
        node.status.allocatable.MergeFrom(node.status.capacity)
        cache.upsert_node(compile_node(node))
    return cache


def _pods(spec: Apps, apps: int, count: int) -> list[PodInfo]:
    load = plan_apps(spec, 1, apps=apps, pods=count, rng=random.Random(SEED))
    compiler, models = PodCompiler(), []
    some = {app.template_path: app.params for app in load.apps}
    templates = {path: Template.read(WORKLOADS / path, [params]) for path, params in some.items()}
    for app in load.apps:
        owner = templates[app.template_path].maker("run", app.params).make(0, "")
        owner.metadata.namespace, owner.metadata.uid = "default", app.name
        model = pod_of(owner)
        model.metadata.namespace = "default"
        models.append(model)
    found = []
    for name, turn in zip(load.pod_names(), load.turns, strict=True):
        models[turn].metadata.name = models[turn].metadata.uid = name
        found.append(compiler.compile(models[turn]))
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=[5000])
    parser.add_argument("--apps", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    node_spec, app_spec = _steps()
    for count in options.nodes:
        for apps in options.apps:
            cache, pods = _cache(node_spec, count), _pods(app_spec, apps, options.pods)
            cycles = Cycles(
                cache.table, Framework(default_profile()), make_ahead=None if options.plain else Ahead
            )
            tie_break = random.Random(SEED).randrange
            profile = cProfile.Profile()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            started = time.process_time()
            if options.profile:
                profile.enable()
            for pod in pods:
                decision = cycles.decide(pod.pod_class, tie_break)
                assert isinstance(decision, Scheduled)
                cache.assume(pod, decision.node_name)
            profile.disable()
            took = (time.process_time() - started) / options.pods * 1e6
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
            print(
                f"{count:,} nodes, {apps:,} apps: {took:.0f} CPU µs a Pod, {cycles.kept} classes kept, {grown} MB"
            )
            if options.profile:
                profile.dump_stats(f"{options.profile}.{count}.{apps}")


if __name__ == "__main__":
    main()
