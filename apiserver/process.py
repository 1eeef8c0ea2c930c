"""The apiserver as a process: etcd, watch cache, gRPC and REST servers, metrics, health. Called by `__main__`.

What is served is made by `build`.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from apiserver.admission.pod_security.levels import PREFIX, PRIVILEGED, LevelVersion, Policy, policy_of
from apiserver.audit.auditing import open_auditing
from apiserver.authorization.modes import authorization
from apiserver.build import App, build
from apiserver.config import ApiserverConfig
from apiserver.fast_paths import FAST_PATHS, GRPC_CORE
from apiserver.flowcontrol.control import FlowControl, StreamLimits
from apiserver.services.machinery import in_memory
from apiserver.services.metrics import RequestMetrics
from apiserver.services.resource_metrics import NODES as METRICS_OF_NODES
from apiserver.services.resource_metrics import PODS as METRICS_OF_PODS
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import Key
from apiserver.storage.opening import open_storage
from apiserver.storage.resources import resource_of
from apiserver.tokens.bootstrap import BootstrapTokens, token_secret
from apiserver.tokens.opening import open_tokens
from vaina import log as logging_setup
from vaina.client.transport import GrpcTransport
from vaina.clock import Clock, SystemClock
from vaina.config import ConfigError, choose
from vaina.errors import ApiError
from vaina.kinds import KINDS, NODE, POD
from vaina.metrics import new_registry
from vaina.pki.folder import Folder, client_folder, metrics_folder, server_folder
from vaina.serving import core, fast_core
from vaina.serving.authentication import Authenticator
from vaina.serving.draining import Drain
from vaina.serving.health import Health
from vaina.serving.http import serve_metrics
from vaina.serving.main import open_files
from vaina.serving.server import Server, serve

log = structlog.stdlib.get_logger(__name__)

#: how often, and how long at most, storage is asked whether it is there
_CHECK_SECONDS, _CHECK_TIMEOUT_SECONDS = 1.0, 3.0


async def run(config: ApiserverConfig, stop: asyncio.Event, *, instance: str) -> None:
    """Be the apiserver until `stop` is set: then health says NOT_SERVING, streams are ended, calls under way
    may finish.

    `instance` is the name of this process among its replicas.
    """
    logging_setup.configure("apiserver", config.log_level, config.log_format)
    fast_paths = choose(config.fast_paths, FAST_PATHS)
    log.info("fast paths", on=sorted(fast_paths))
    credentials = server_folder(config.cert_dir, config.listen)
    if config.rest_listen:
        server_folder(config.cert_dir, config.rest_listen)
    of_metrics = metrics_folder(config.cert_dir, config.metrics_listen, config.health_listen)
    clock, registry = SystemClock(), new_registry("apiserver")
    auditing = open_auditing(config, clock, registry)
    authenticator = None if credentials is None else Authenticator(credentials, clock, registry)
    async with (
        open_storage(config, clock, registry, instance) as opened,
        asyncio.TaskGroup() as group,
    ):
        authorizer, roles = authorization(config, opened.storage)
        tokens = open_tokens(config, opened.storage, clock)
        app = build(
            opened.storage, clock, instance=instance, metrics=RequestMetrics(registry, clock),
            connect_kubelet=partial(GrpcTransport, credentials=client_folder(config.kubelet_client_cert_dir)),
            flow=_limits(config, clock, opened.storage), ephemeral_containers=config.ephemeral_containers,
            traces_per_second=config.traces_per_second, fast_paths=fast_paths,
            pod_security=_pod_security(config), pod_security_exempt=config.pod_security_exempt_namespaces,
            auditing=auditing, authorizer=authorizer, roles=roles, bootstrap_token=_bootstrap_token(config),
            service=_service(config),
            tokens=tokens, members=opened.members or in_memory,
        )  # fmt: skip
        jobs = (*opened.jobs, app.run) if auditing is None else (*opened.jobs, app.run, auditing.run)
        jobs = jobs if tokens is None else (*jobs, tokens.run)
        tasks = [group.create_task(job()) for job in jobs]
        try:
            servers: list[Server] = []
            async with (
                # Around the gRPC server: while that one drains, /readyz says so, and /metrics shows how far it
                # is.
                serve_metrics(
                    registry,
                    listen=config.metrics_listen,
                    health_listen=config.health_listen,
                    healthy=lambda: any(one.health.serving for one in servers),
                    credentials=of_metrics,
                    asked=opened.asked,
                ),
                serve(
                    app.handlers,
                    listen=config.listen,
                    clock=clock,
                    registry=registry,
                    ready=False,
                    drain=_drain(config),
                    max_connections=min(config.max_connections, open_files() * 3 // 4),
                    core=(fast_core if GRPC_CORE in fast_paths else core).make_server,
                    credentials=credentials,
                    authenticator=authenticator,
                    on_unauthorized=app.on_unauthorized,
                ) as server,
                _serve_bootstrap(config, app, opened.storage, clock, credentials),
            ):
                servers.append(server)
                tasks.append(group.create_task(keep_health(app, opened.storage, server.health, clock)))
                serving = _serve_rest(config, app, server.health, clock, registry, authenticator, stop)
                rest = [group.create_task(each) for each in serving]
                await stop.wait()
            # Both drain at the same time.
            await asyncio.gather(*rest)
        finally:
            # After the servers have ended: calls under way need what these do.
            for task in tasks:
                task.cancel()
            await app.large.end()
            await app.kubelets.close()


def _service(config: ApiserverConfig) -> tuple[str, int] | None:
    """Return the address of the Service kubernetes, and the port of the REST API. Raises ConfigError."""
    if not config.kubernetes_service_ip:
        return None
    try:
        return str(IPv4Address(config.kubernetes_service_ip)), int(config.rest_listen.rpartition(":")[2])
    except ValueError as error:
        raise ConfigError(f"kubernetes_service_ip: {error}; rest_listen names the port behind it") from error


def _bootstrap_token(config: ApiserverConfig) -> str:
    """Return the token that the configuration names a file with. Raises ConfigError."""
    if not config.bootstrap_token_file:
        return ""
    try:
        token = Path(config.bootstrap_token_file).read_text("ascii").strip()
        token_secret(token)
    except (OSError, ValueError) as error:
        raise ConfigError(f"bootstrap_token_file: {error}") from error
    return token


def _serve_bootstrap(
    config: ApiserverConfig, app: App, storage: Cacher, clock: Clock, credentials: Folder | None
) -> AbstractAsyncContextManager[object]:
    """Serve the port for bootstrap tokens, if there is to be one. Raises ConfigError."""
    if not config.bootstrap_listen:
        return nullcontext()
    if credentials is None:
        raise ConfigError(
            "bootstrap_listen: tokens are not sent in the clear; name a folder with a certificate (cert_dir)"
        )
    tokens = BootstrapTokens(storage, clock)
    return serve(
        app.bootstrap_handlers, listen=config.bootstrap_listen, clock=clock, credentials=credentials,
        identify=tokens.identify, on_unauthorized=app.on_unauthorized,
    )  # fmt: skip


def _serve_rest(
    config: ApiserverConfig,
    app: App,
    health: Health,
    clock: Clock,
    registry: CollectorRegistry,
    authenticator: Authenticator | None,
    stop: asyncio.Event,
) -> Sequence[Coroutine[Any, Any, None]]:
    """Return what serves the REST API until `stop` is set, if there is to be one. Raises ConfigError."""
    if not config.rest_listen:
        return ()
    # Here, so that who has no REST API does without an HTTP server.
    from apiserver.rest.server import RestOptions, serve_until

    options = RestOptions(
        config.rest_listen, clock, app.authorizer, registry=registry, health={"etcd": lambda: health.serving},
        credentials=server_folder(config.cert_dir, config.rest_listen), authenticator=authenticator,
        tokens=app.bearers, pages=app.pages, anonymous=app.roles is not None, drain=_drain(config),
        max_connections=min(config.max_connections, open_files() // 8),
        on_told=app.on_told, limited=app.limited, large=app.large,
    )  # fmt: skip
    return (serve_until(stop, app.handlers, options),)


#: for how long a client is told that nothing was done, before GOAWAY: longer than a message is on its way
#: (decision 033)
_REFUSE_SECONDS = 0.2


def _drain(config: ApiserverConfig) -> Drain:
    return Drain(
        delay_seconds=config.shutdown_delay_seconds,
        refuse_seconds=_REFUSE_SECONDS,
        streams_seconds=config.shutdown_watch_termination_seconds,
        calls_seconds=config.shutdown_grace_seconds,
    )


def _pod_security(config: ApiserverConfig) -> Policy:
    """Return the levels that the configuration names. Raises ConfigError."""
    modes: list[LevelVersion] = []
    for mode in Policy._fields:
        text = getattr(config, f"pod_security_{mode}")
        level, _, version = text.partition(":")
        labels = {PREFIX + mode: level, f"{PREFIX}{mode}-version": version or "latest"}
        policy, errors = policy_of(labels, PRIVILEGED)
        if errors:
            raise ConfigError(
                f'pod_security_{mode}: "{text}" is none of privileged, baseline, restricted, '
                "with or without a version (baseline:v1.37)"
            )
        modes.append(getattr(policy, mode))
    return Policy(*modes)


def listed_prefixes() -> dict[str, Key]:
    """Return, for each service that lists, where the objects are that a list looks at."""
    prefixes = {kind.service: resource_of(kind).prefix for kind in KINDS}
    return prefixes | {METRICS_OF_NODES: prefixes[NODE.service], METRICS_OF_PODS: prefixes[POD.service]}


def _limits(config: ApiserverConfig, clock: Clock, storage: Cacher) -> FlowControl:
    prefixes = listed_prefixes()
    return FlowControl(
        clock,
        streams=StreamLimits(total=config.max_streams, per_client=config.max_streams_per_client),
        object_count=lambda service: storage.object_count(prefixes[service]),
    )


async def keep_health(app: App, storage: Cacher, health: Health, clock: Clock) -> None:
    """Until cancelled, say SERVING while cache and storage answer and the system's namespaces are there."""
    booted = False
    await storage.wait_ready()
    while True:
        serving = storage.is_connected
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
                await storage.current_version()
                if not booted:
                    await app.bootstrap()
                    booted = True
        except (ApiError, TimeoutError) as error:
            serving = False
            if health.serving:
                log.warning("storage is away", error=str(error))
        if serving != health.serving:
            log.info("health changed", serving=serving)
            await health.set_serving(serving)
        await clock.sleep(_CHECK_SECONDS)
