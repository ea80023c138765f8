"""The setting that all of these tests are about."""

from collections.abc import Iterator

import pytest

from app.tests.other_settings import other_settings


@pytest.fixture
def required() -> Iterator[None]:
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        yield
