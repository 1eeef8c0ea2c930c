"""Structured logging: an event word plus fields, as JSON lines or for a person's eyes.

Everybody asks `structlog.stdlib.get_logger(__name__)` at the top of a module; `configure` is called once, by
`__main__`. What other libraries write through `logging` takes the same form. One line per state change;
nothing per loop pass.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMATS = ("json", "console")


def configure(
    component: str, level: str = "info", format: str = "json", *, stream: TextIO | None = None
) -> None:
    """Set up the logging of a process, whose name stands in every line, to standard error or another stream.

    Raises ValueError: the level or the format is none of those above.
    """
    if level not in LEVELS:
        raise ValueError(f'log level "{level}" is none of {", ".join(LEVELS)}')
    if format not in FORMATS:
        raise ValueError(f'log format "{format}" is none of {", ".join(FORMATS)}')
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _component(component),
    ]
    final: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if format == "json"
        # Without the values of variables, among which are tokens and keys.
        else [
            structlog.dev.ConsoleRenderer(
                colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])


def _component(component: str) -> Processor:
    def add(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["component"] = component
        return event

    return add
