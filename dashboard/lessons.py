"""The lessons of docs/lessons, as `vaina/lessons` reads them.

GET /api/lessons?lang=es         [{"row": "A1", "title": ...}, ...]
GET /api/lesson?row=A1&lang=es   the lesson in its parts (vaina/lessons/document.py)
"""

import asyncio
from typing import Any

from aiohttp import web

from dashboard.view import Context, Routes
from vaina.errors import BadRequest, NotFound
from vaina.lessons.document import document
from vaina.lessons.model import HEADINGS
from vaina.lessons.shelf import FALLBACK, read, rows


def routes(_context: Context) -> Routes:
    """Return what this view has."""
    return Routes(handlers={"/api/lessons": _listing, "/api/lesson": _lesson})


async def _listing(request: web.Request) -> Any:
    return await asyncio.to_thread(_titles, _language(request))


async def _lesson(request: web.Request) -> Any:
    row = request.query.get("row", "")
    found = await asyncio.to_thread(read, row, _language(request))
    if found is None:
        raise NotFound(f"there is no lesson {row[:8]!r}")
    return document(found)


def _titles(language: str) -> list[dict[str, str]]:
    found = (read(row, language) for row in rows(language))
    return [{"row": one.row, "title": one.title} for one in found if one is not None]


def _language(request: web.Request) -> str:
    """Return the language that is asked for. Raises BadRequest: lessons are not written in it."""
    language = request.query.get("lang", FALLBACK)
    if language not in HEADINGS:
        raise BadRequest(f"lang is one of {', '.join(HEADINGS)}")
    return language
