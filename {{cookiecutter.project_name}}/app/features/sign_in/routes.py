"""Sign in with others: a browser goes to a provider, and comes back logged in."""

import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response, status
from fastapi.responses import RedirectResponse

from app.api.cookies import with_cookie
from app.api.deps import Autocommit, CurrentClient
from app.api.errors import BODY, RATE_LIMITED, UNAVAILABLE, documented
from app.api.oauth_errors import Documented, OAuthError, OAuthRoute, Refusal, with_codes
from app.auth.accounts import Account, find_account
from app.auth.audit import audit
from app.auth.caller import Caller
from app.auth.clients import Client
from app.auth.login import finish_login
from app.auth.rate_limits import hit, limits_of_client
from app.core.database import Database
from app.features.sign_in.flow import (
    CODE_LIFETIME,
    AppCode,
    Flow,
    FlowCookie,
    callback_url,
    challenge_of,
    clear_flow_cookie,
    read_flow,
    seal,
    set_flow_cookie,
    spend,
    unseal,
)
