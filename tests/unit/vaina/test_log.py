import io
import json
import logging

import pytest
import structlog

from tests.support.logs import logs_restored
from vaina import log


@pytest.fixture
def restored():
    with logs_restored():
        yield


def test_a_line_is_json_with_its_fields_and_component(restored):
    out = io.StringIO()
    log.configure("scheduler", "info", "json", stream=out)
    structlog.stdlib.get_logger("a.b").info("pod bound", pod="default/web", node="n1")
    logging.getLogger("grpc").warning("from %s", "elsewhere")
    structlog.stdlib.get_logger("a.b").debug("not shown")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert {key: first[key] for key in ("event", "pod", "node", "component", "level", "logger")} == {
        "event": "pod bound", "pod": "default/web", "node": "n1", "component": "scheduler", "level": "info", "logger": "a.b",
    }  # fmt: skip
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["component"], second["level"]) == (
        "from elsewhere",
        "scheduler",
        "warning",
    )


def test_an_exception_keeps_its_traceback_in_one_line(restored):
    out = io.StringIO()
    log.configure("x", stream=out)
    try:
        int("bad")
    except ValueError:
        structlog.stdlib.get_logger("a").exception("failed")
    (line,) = out.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


@pytest.mark.parametrize("wrong", [{"level": "loud"}, {"format": "xml"}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="is none of"):
        log.configure("x", **wrong)


@pytest.mark.parametrize("words", log.FORMATS)
def test_the_values_of_variables_are_not_in_a_traceback(restored, words):
    out = io.StringIO()
    log.configure("x", format=words, stream=out)
    secret = "".join(("hid", "den"))
    try:
        int("bad", base=len(secret))
    except ValueError:
        structlog.stdlib.get_logger("a").exception("failed")
    assert "ValueError: invalid literal" in out.getvalue()
    assert secret not in out.getvalue()
