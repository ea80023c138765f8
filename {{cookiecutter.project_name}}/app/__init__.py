"""The application: read main.py first."""

from importlib.util import find_spec

if find_spec("pydantic_settings") is None:
    raise SystemExit("This Python has no dependencies installed: use .venv/bin/python, which `make env` sets up.")
