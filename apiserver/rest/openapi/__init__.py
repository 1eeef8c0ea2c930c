"""PURE: the OpenAPI documents, made of the descriptors of messages and of the table of what is served."""

from collections.abc import Mapping

from apiserver.rest.discovery import Page
from apiserver.rest.info import RequestInfo
from apiserver.rest.served import Table


def answer(table: Table, info: RequestInfo, headers: Mapping[str, str]) -> Page | None:
    """Answer what is below /openapi; None: no such path. Raises NotAcceptable.

    `headers` are the request's, their names in lower case.
    """
    return None
