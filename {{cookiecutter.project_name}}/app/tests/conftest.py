"""Loads the fixtures. They are in fixtures.py."""

import pytest


@pytest.hookimpl(trylast=True)  # once pytest-cov sees what is imported
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    only_hands_out_tests = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not only_hands_out_tests:  # as with -n; without the application it is ready a second earlier
        config.pluginmanager.import_plugin("app.tests.fixtures")
