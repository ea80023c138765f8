"""Tokens that are good for one purpose, and for one account in its present state."""

import time
import uuid

from app.core.account_tokens import account_of, create_account_token, is_genuine
from app.core.config import settings
from app.tests.other_settings import other_settings

USER_ID = uuid.uuid4()


def token_of_a_minute() -> str:
    return create_account_token("a purpose", USER_ID, time.time() + 60, ["a state"])


def test_a_token_is_good_for_its_account_its_purpose_and_its_state() -> None:
    token = token_of_a_minute()
    assert account_of(token) == USER_ID
    assert is_genuine(token, "a purpose", ["a state"])
    assert not is_genuine(token, "another purpose", ["a state"])
    assert not is_genuine(token, "a purpose", ["another state"])
    of_another = create_account_token("a purpose", uuid.uuid4(), time.time() + 60, ["a state"])
    assert not is_genuine(of_another[:22] + token[22:], "a purpose", ["a state"])


def test_the_next_key_verifies_before_any_process_signs_with_it() -> None:
    """A deploy in two steps: the next key becomes a fallback of all processes, then the key of one after the other."""
    this, following = settings.secret_keys[0], "k" * 40
    first_step = {"SECRET_KEY": this, "SECRET_KEY_FALLBACKS": following}
    second_step = {"SECRET_KEY": following, "SECRET_KEY_FALLBACKS": this}
    for here, there in ((first_step, second_step), (second_step, first_step)):
        with other_settings(**here):
            token = token_of_a_minute()
        with other_settings(**there):
            assert is_genuine(token, "a purpose", ["a state"])
        with other_settings(SECRET_KEY="x" * 40, SECRET_KEY_FALLBACKS=""):
            assert not is_genuine(token, "a purpose", ["a state"])
