"""Log lines: JSON in production, text for people elsewhere; each with the id of the request it belongs to."""

import json
import logging
import re
import sys
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from app.core.config import settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")  # nothing that could forge or flood a log


def choose_request_id(proposed: str | None) -> str:
    """The id that a proxy or client proposed if it is sane, else a new one."""
    return proposed if proposed and _SANE_REQUEST_ID.fullmatch(proposed) else uuid.uuid4().hex


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})

    def format_request(self, fields: dict[str, Any]) -> str:
        head = {"time": datetime.now(UTC), "level": "INFO", "logger": "app.requests", "request_id": request_id.get()}
        return to_json(head | fields, exclude_none=True).decode()


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(levelname)-8s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{text} [{request_id.get()}]" if request_id.get() else text

    def format_request(self, fields: dict[str, Any]) -> str:
        return "INFO     {method} {route} {status} {duration_ms} ms".format(**fields) + f" [{request_id.get()}]"


_formatter: Final = JsonFormatter() if settings.environment == "production" else TextFormatter()
_output: Final = logging.StreamHandler(sys.stdout)


def set_up_logging() -> None:
    """Send the application's log lines, and nobody else's, to standard output."""
    _output.setFormatter(_formatter)
    logger = logging.getLogger("app")
    logger.handlers = [_output]
    logger.propagate = False
    logger.setLevel(settings.log_level)


def log_request(fields: dict[str, Any]) -> None:
    """Write the line of one request.

    Straight to the output: by way of `logging` it would cost a small request three times as much, a tenth of its time.
    """
    try:
        _output.stream.write(_formatter.format_request(fields) + "\n")
        _output.flush()
    except (OSError, ValueError):  # a full disk or a closed output, of which `logging` makes no error either
        pass
