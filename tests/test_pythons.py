"""Each lock has a wheel of everything for each Python on offer, so that nobody needs a compiler."""

import pytest
from pythons import LOCKS, OFFERED, X86, resolve
from scaffolding import ROOT

OLDEST = "3.11"  # for development; Debian 12 has it


@pytest.mark.slow
@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", [*OFFERED, OLDEST])
def test_lock_has_wheels_for_each_python(python: str, lock: str) -> None:
    for platform in LOCKS[lock]:
        assert not resolve(ROOT / lock, python, platform)


@pytest.mark.slow
def test_lock_does_not_resolve_for_a_python_that_nobody_makes_wheels_for() -> None:
    """Without this, nobody would know whether the test above can fail."""
    assert "No solution found" in resolve(ROOT / next(iter(LOCKS)), "3.5", X86)
