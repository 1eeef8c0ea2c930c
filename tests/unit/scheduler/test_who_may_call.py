"""Who may call the scheduler's own service: whom the apiserver allows, which the scheduler asks."""

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from scheduler.service import SERVICE
from tests.support.apiserver import make_apiserver
from tests.support.asking import service_of
from tests.support.scheduler import build
from vaina.client.reviews import Reviews
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import InProcessTransport
from vaina.errors import Forbidden
from vaina.serving.delegated import Delegated
from vaina.serving.handlers import User


class _OneMayCall:
    """Lets everybody do everything but call services: that ana may alone."""

    def authorize(self, attributes: Attributes) -> Verdict:
        return NO_OPINION if attributes.path and attributes.user.name != "ana" else ALLOWED


async def test_whom_the_apiserver_allows_may_call_and_nobody_else() -> None:
    server = make_apiserver(authorizer=_OneMayCall())
    await server.app.bootstrap()
    service = service_of(build(server.client, server.clock), server)
    handlers = Delegated(server.clock, Reviews(server.client.transport).may_call).wrap(service.handlers())

    def client_of(name: str) -> SchedulerClient:
        return SchedulerClient(InProcessTransport(handlers, user=User(name), clock=server.clock))

    assert (await client_of("ana").list_decisions()).answered_by.identity == "scheduler-1"
    with pytest.raises(Forbidden, match=f'User "bob" cannot post path "/{SERVICE}/ListDecisions"'):
        await client_of("bob").list_decisions()
