"""Logs as they were: for tests that begin a service, or set up its logs, within the process of the tests."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def logs_restored() -> Iterator[None]:
    """Take back what is set up within: tests that come later read what is logged by structlog's defaults."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        yield
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
        # A logger of a module keeps what it was set up with once it has been used.
        lazy = type(structlog.get_logger())
        for module in list(sys.modules.values()):
            kept = vars(module).get("log")
            if isinstance(kept, lazy):
                vars(kept).pop("bind", None)
