"""The lessons on the page: what its server tells of them."""

import json

import pytest

from tests.support.apiserver import make_apiserver
from tests.support.page import Browser, page


@pytest.fixture
async def browser():
    async with page(make_apiserver().client) as made:
        await made.login()
        yield made


async def asked(browser: Browser, path: str):
    status, text, _ = await browser.get(path)
    return status, json.loads(text)


async def test_lessons_are_listed_in_the_order_of_their_rows(browser: Browser) -> None:
    status, english = await asked(browser, "/api/lessons")
    assert status == 200
    assert english[0] == {"row": "A1", "title": "A manifest is checked and stored"}
    assert [one["row"] for one in english].index("B2") < [one["row"] for one in english].index("B10")
    _, spanish = await asked(browser, "/api/lessons?lang=es")
    assert spanish[0] == {"row": "A1", "title": "Un manifiesto se comprueba y se guarda"}
    assert [one["row"] for one in spanish] == [one["row"] for one in english]


async def test_a_lesson_is_what_people_read_in_parts(browser: Browser) -> None:
    status, lesson = await asked(browser, "/api/lesson?row=A1&lang=es")
    assert status == 200
    assert (lesson["title"], lesson["language"]) == ("Un manifiesto se comprueba y se guarda", "es")
    assert lesson["sections"][0]["heading"] == "Qué dice el documento"
    [first, *_] = [one for one in lesson["sections"][1]["blocks"] if one["kind"] == "command"]
    assert first["script"] == "export VAINA_NAMESPACE=lesson-a1\nvaina create namespace lesson-a1"
    assert first["output"] == "namespace/lesson-a1 created"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/lesson?row=Z1", 404),
        ("/api/lesson", 404),
        ("/api/lesson?row=../../README", 404),
        ("/api/lesson?row=A1&lang=..", 400),
        ("/api/lessons?lang=tlh", 400),
    ],
)
async def test_what_there_is_not(browser: Browser, path: str, code: int) -> None:
    status, answer = await asked(browser, path)
    assert (status, answer["code"]) == (code, code)


@pytest.mark.parametrize("path", ["/lessons", "/lessons/B10", "/lessons/A1?lang=es"])
async def test_every_lesson_is_a_link(browser: Browser, path: str) -> None:
    status, text, _ = await browser.get(path)
    assert status == 200
    assert "/static/page.js" in text
