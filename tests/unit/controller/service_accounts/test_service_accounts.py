"""Each namespace has its account, and a Secret ends with the account that it was made for."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from controller.base import Controller, Tools
from controller.service_accounts import ServiceAccountController, TokenSecretController
from tests.support.apiserver import Harness, cached_apiserver
from tests.support.tasks import running
from vaina.api.core.v1 import config_pb2, service_account_pb2
from vaina.cache.informer import InformerFactory
from vaina.clock import SystemClock
from vaina.controller import run_controllers
from vaina.errors import NotFound
from vaina.objects.service_accounts import ACCOUNT_NAME, ACCOUNT_UID, TOKEN_SECRET_TYPE
from vaina.testing.builders import make_namespace


@asynccontextmanager
async def world(made: type[ServiceAccountController] | type[TokenSecretController]) -> AsyncIterator[Harness]:
    async with cached_apiserver() as api:
        factory = InformerFactory(api.client, SystemClock())
        controller: Controller = made(Tools(SystemClock()), factory)
        async with running(run_controllers(factory, [controller])):
            yield api


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so; the test's time limit ends it."""
    while not await ask():
        await SystemClock().sleep(0.01)


async def uid_of_default(api: Harness, namespace: str) -> str:
    try:
        return (await api.client.service_accounts.get("default", namespace)).metadata.uid
    except NotFound:
        return ""


async def test_a_namespace_gets_its_account_and_gets_it_again() -> None:
    async with world(ServiceAccountController) as api:
        await api.client.namespaces.create(make_namespace("team"))

        async def has_one() -> bool:
            return bool(await uid_of_default(api, "team"))

        await until(has_one)
        first = await uid_of_default(api, "team")
        await api.client.service_accounts.delete("default", "team")

        async def has_another() -> bool:
            return await uid_of_default(api, "team") not in ("", first)

        await until(has_another)


async def test_an_ending_namespace_gets_none() -> None:
    async with world(ServiceAccountController) as api:
        await api.client.namespaces.create(make_namespace("team"))

        async def has_one() -> bool:
            return bool(await uid_of_default(api, "team"))

        await until(has_one)
        await api.client.namespaces.delete("team")
        await api.client.service_accounts.delete("default", "team")
        await api.client.namespaces.create(make_namespace("later"))

        async def has_later() -> bool:
            return bool(await uid_of_default(api, "later"))

        await until(has_later)
        assert not await has_one()


def secret(name: str, account: str, uid: str = "") -> config_pb2.Secret:
    made = config_pb2.Secret(type=TOKEN_SECRET_TYPE)
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.annotations[ACCOUNT_NAME] = account
    if uid:
        made.metadata.annotations[ACCOUNT_UID] = uid
    return made


@pytest.mark.parametrize("is_made_again", [False, True])
async def test_a_secret_of_an_account_that_is_gone_goes(is_made_again: bool) -> None:
    async with world(TokenSecretController) as api:
        account = service_account_pb2.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "bot", "default"
        uid = (await api.client.service_accounts.create(account)).metadata.uid
        await api.client.secrets.create(secret("of-bot", "bot", uid))
        await api.client.secrets.create(secret("of-nobody", "nobody"))
        other = secret("other", "nobody")
        other.type = "Opaque"
        await api.client.secrets.create(other)

        async def names() -> set[str]:
            return {one.metadata.name for one in (await api.client.secrets.list()).items}

        async def first() -> bool:
            return await names() == {"of-bot", "other"}

        await until(first)
        await api.client.service_accounts.delete("bot", "default")
        if is_made_again:
            await api.client.service_accounts.create(account)

        async def last() -> bool:
            return await names() == {"other"}

        await until(last)
