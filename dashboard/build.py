"""The composition root: the only place that knows all views, and that constructs and runs the page."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dashboard import history, lessons, life, machinery, scheduling, status
from dashboard.cluster.routes import routes as cluster
from dashboard.config import DashboardConfig
from dashboard.history.prometheus import check_url
from dashboard.live import Live
from dashboard.metrics import PageMetrics
from dashboard.server import Pages, serve_page
from dashboard.session import Sessions
from dashboard.static_files import StaticFiles
from dashboard.view import Context, Handler, Routes, TopicFactory
from vaina import log
from vaina.client.clientset import Clientset
from vaina.client.metrics import MeteredTransport, RestClientMetrics
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import GrpcTransport, Transport
from vaina.clock import SystemClock
from vaina.config import ConfigError
from vaina.metrics import new_registry
from vaina.pki.folder import Folder, client_folder, is_loopback, metrics_folder
from vaina.serving.http import serve_metrics

COMPONENT: Final = "dashboard"
#: what the page shows; a new view is named here (docs/checklists/new-view.md)
VIEWS: Final[Sequence[Callable[[Context], Routes]]] = (
    status.routes,
    cluster,
    life.routes,
    scheduling.routes,
    machinery.routes,
    history.routes,
    lessons.routes,
)


class Page:
    """The page over any clients. Owned by one event loop."""

    def __init__(self, context: Context, sessions: Sessions) -> None:
        """Construct it. Raises ValueError: two views have the same path or topic."""
        made = [routes(context) for routes in VIEWS]
        handlers: dict[str, Handler] = {}
        topics: dict[str, TopicFactory] = {}
        for one in made:
            if taken := (handlers.keys() & one.handlers) | (topics.keys() & one.topics):
                raise ValueError(f"two views have {sorted(taken)}")
            handlers |= one.handlers
            topics |= one.topics
        self.live = Live(topics, context.clock)
        self._pages = Pages(sessions, StaticFiles(), self.live, handlers, context.clock)
        self._tasks = [task for one in made for task in one.tasks]

    async def run(
        self, stop: asyncio.Event, listen: str, on_port: Callable[[int], None] = lambda _: None
    ) -> None:
        """Serve until `stop`. Raises OSError: the port is taken."""
        async with self.live, asyncio.TaskGroup() as group:
            tasks = [group.create_task(task()) for task in self._tasks]
            async with serve_page(self._pages, listen) as port:
                on_port(port)
                await stop.wait()
                await self.live.close()
            for task in tasks:
                task.cancel()


async def run(config: DashboardConfig, stop: asyncio.Event) -> None:
    """Run the service until `stop`: page, metrics."""
    try:
        log.configure(COMPONENT, config.log_level, config.log_format)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not (is_loopback(config.listen) or config.listen_in_the_clear):
        raise ConfigError(
            f"{config.listen} is reached from other machines, and the page is served in the clear: listen on "
            "127.0.0.1, or say listen_in_the_clear where nobody else reaches it"
        )
    check_url(config.prometheus)
    sessions = read_sessions(config)
    of_metrics = metrics_folder(config.cert_dir, config.metrics_listen, config.health_listen)
    folder, clock, registry = client_folder(config.cert_dir), SystemClock(), new_registry(COMPONENT)
    metrics = RestClientMetrics(registry)

    def transport(address: str) -> Transport:
        return MeteredTransport(_transport(address, folder), metrics, clock, address)

    clients, controller = Clientset(transport(config.apiserver)), transport(config.controller)
    scheduler = SchedulerClient(transport(config.scheduler))
    context = Context(clients, scheduler, controller, clock, config, registry)
    page = Page(context, sessions)
    PageMetrics(registry, page.live.hub)
    try:
        async with serve_metrics(
            registry, listen=config.metrics_listen, health_listen=config.health_listen, credentials=of_metrics
        ):
            await page.run(stop, config.listen)
    finally:
        for one in (clients, scheduler, controller):
            await one.close()


def read_sessions(config: DashboardConfig) -> Sessions:
    """Return the sessions of the configured secret. Raises ConfigError."""
    if not config.login_token_file:
        raise ConfigError("name the file with the secret of the login link: login_token_file")
    try:
        return Sessions(Path(config.login_token_file).read_text("ascii").strip(), config.session_seconds)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{config.login_token_file}: {error}") from error


def _transport(address: str, folder: Folder | None) -> Transport:
    return GrpcTransport(address, folder, user_agent=f"vaina-{COMPONENT}")
