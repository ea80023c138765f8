"""The mailbox of mail's tests."""

from app.features.mail.tests.conftest import mailbox

__all__ = ["mailbox"]
