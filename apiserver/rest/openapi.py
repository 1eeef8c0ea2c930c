"""PURE: the OpenAPI documents: /openapi/v2 and /openapi/v3."""

from collections.abc import Mapping

from apiserver.rest.discovery import Page
from apiserver.rest.info import RequestInfo
from apiserver.rest.served import Table


def answer(table: Table, info: RequestInfo, headers: Mapping[str, str]) -> Page | None:
    """Answer what is below /openapi; None: no such path. Raises NotAcceptable.

    `headers` are the request's, their names in lower case.
    """
    return None
