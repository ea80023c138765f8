"""Log lines: JSON in production, text for people elsewhere; each with the id of the request it belongs to."""

import json
import logging
import re
import sys
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")  # nothing that could forge or flood a log


def choose_request_id(proposed: str | None) -> str:
    """The id that a proxy or client proposed if it is sane, else a new one."""
    return proposed if proposed and _SANE_REQUEST_ID.fullmatch(proposed) else uuid.uuid4().hex


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, default=str)


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{text} [{request_id.get()}]" if request_id.get() else text


def set_up_logging(level: str, as_json: bool) -> None:
    """Send the application's log lines, and nobody else's, to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter("%(levelname)-8s %(message)s"))
    logger = logging.getLogger("app")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level)
