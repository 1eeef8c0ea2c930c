"""PURE: which groups, versions and resources there are, for clients."""

from collections.abc import Mapping
from typing import NamedTuple

from apiserver.rest.info import RequestInfo
from apiserver.rest.served import Table


class Page(NamedTuple):
    """An answer that is made at once."""

    content_type: str
    body: bytes
    code: int = 200
    headers: Mapping[str, str] = {}


def answer(table: Table, info: RequestInfo, headers: Mapping[str, str]) -> Page | None:
    """Answer /api, /apis and what is below them; None: no such path. Raises NotAcceptable.

    `headers` are the request's, their names in lower case.
    """
    return None
