"""PUBLIC_URL, BACKEND_CORS_ORIGINS and ALLOWED_HOSTS: what can't match is refused, all else is as browsers write it."""

import re
from collections.abc import Callable

import pytest

from app.core.config import Settings, load
from app.core.origins import allowed_host, app_origin, web_origin
from app.tests.other_settings import application_with, refusal

WEB = {
    "https://api.example.com": "https://api.example.com",
    "https://api.example.com/": "https://api.example.com",
    "HTTPS://API.Example.COM": "https://api.example.com",
    "https://api.example.com:443": "https://api.example.com",
    "http://api.example.com:80/": "http://api.example.com",
    "https://api.example.com:8443": "https://api.example.com:8443",
    "https://api.example.com:": "https://api.example.com",
    "https://bücher.example": "https://xn--bcher-kva.example",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "http://[0:0::1]:8000": "http://[::1]:8000",
    "http://127.1": "http://127.0.0.1",
    "http://app_1:8000": "http://app_1:8000",
}
NOT_WEB = [
    *("", "*", "null", "api.example.com", "//api.example.com", "https:api.example.com", "https://", "https:///"),
    *("https://api.example.com/x", "https://api.example.com//", "https://api.example.com?", "https://api.example.com#"),
    *("https://ana@api.example.com", "https://*.example.com", "https://a b.example", "https://api.example.com:99999"),
    *(
        "https://api.example.com:port",
        "https://1.2.3.4.5",
        "https://a..b",
        "https://xn--a",
        "https:\\\\api.example.com",
    ),
]
APPS = {
    "capacitor://localhost": "capacitor://localhost",
    "Tauri://localhost/": "tauri://localhost",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop": "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "android:apk-key-hash:" + "x" * 43: "android:apk-key-hash:" + "x" * 43,
}
NOT_APPS = [
    *("null", "NULL", "file://", "file://localhost", "data:text/html,x", "blob:https://a.example/x", "about:blank"),
    *("javascript:alert(1)", "mailto:ana@example.com", "ws://a.example", "wss://a.example", "ftp://a.example"),
    *("capacitor://", "capacitor://localhost/x", "capacitor://*", "capacitor:localhost", "x y://z", "https"),
    *("android:apk-key-hash:x", "android:apk-key-hash:" + "x" * 44),
]
HOSTS = {
    "*": "*",
    "api.example.com": "api.example.com",
    "API.Example.com": "api.example.com",
    "*.Example.com": "*.example.com",
    "bücher.example": "xn--bcher-kva.example",
    "*.bücher.example": "*.xn--bcher-kva.example",
    "localhost": "localhost",
    "app_1": "app_1",
    "127.0.0.1": "127.0.0.1",
    "::1": "[::1]",
    "[0::1]": "[::1]",
}
NOT_HOSTS = {
    "https://api.example.com": "is a URL: write the host name only",
    "api.example.com/": "is a URL: write the host name only",
    "api.example.com:8000": "has a port: write the host name only",
    "*.example.com:443": "has a port",
    "[::1]:8000": "has a port",
    ".example.com": "write example.com, *.example.com",
    "*example.com": "may have * only alone or in place of the first label",
    "api.*.com": "may have * only alone",
    "**": "may have * only alone",
    "*.": "must look like",
    "a b": "must look like",
    "ana@example.com": "must look like",
    "1.2.3.4.5": "must look like",
    "": "must look like",
}


@pytest.mark.parametrize("read", [web_origin, app_origin])
@pytest.mark.parametrize(("written", "sent"), WEB.items())
def test_an_origin_is_written_as_browsers_send_it(read: Callable[[str], str], written: str, sent: str) -> None:
    assert read(written) == sent == read(sent)


@pytest.mark.parametrize("read", [web_origin, app_origin])
@pytest.mark.parametrize("written", NOT_WEB)
def test_what_is_not_an_origin_is_refused_and_not_shown(read: Callable[[str], str], written: str) -> None:
    with pytest.raises(ValueError, match="must look like https://|must not have null") as error:
        read(written)
    assert "ana@" not in str(error.value)


@pytest.mark.parametrize(("written", "sent"), APPS.items())
def test_an_application_that_is_no_web_page_has_an_origin_too(written: str, sent: str) -> None:
    assert app_origin(written) == sent == app_origin(sent)


@pytest.mark.parametrize("written", NOT_APPS)
def test_what_no_page_or_application_sends_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="must"):
        app_origin(written)


@pytest.mark.parametrize(("written", "sent"), HOSTS.items())
def test_a_host_is_written_as_clients_send_it(written: str, sent: str) -> None:
    assert allowed_host(written) == sent == allowed_host(sent)


@pytest.mark.parametrize(("written", "words"), NOT_HOSTS.items())
def test_a_host_that_no_request_could_have_is_refused_with_what_to_write(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        allowed_host(written)


def test_the_settings_use_these_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "HTTPS://API.example.com:443/")
    monkeypatch.setenv("ALLOWED_HOSTS", "API.example.com, *.bücher.example")
    monkeypatch.setenv("BACKEND_CORS_ORIGINS", "https://App.example.com/, capacitor://localhost, *")
    settings = load(Settings)
    assert settings.public_url == "https://api.example.com"
    assert settings.allowed_hosts == ["api.example.com", "*.xn--bcher-kva.example"]
    assert settings.backend_cors_origins == ["https://app.example.com", "capacitor://localhost", "*"]
    for name, value in {
        "PUBLIC_URL": "capacitor://localhost",  # tokens come from a server
        "ALLOWED_HOSTS": "https://api.example.com",
        "BACKEND_CORS_ORIGINS": "https://app.example.com, null",
    }.items():
        with monkeypatch.context() as context:
            assert f"\n  {name}: " in refusal(context, **{name: value})
    assert "\n  ALLOWED_HOSTS: " in refusal(monkeypatch, ALLOWED_HOSTS=",")  # no host at all


@pytest.mark.parametrize("written", ["API.Example.com", "bücher.example", "*.Bücher.example"])
async def test_a_host_is_served_however_it_is_written(written: str) -> None:
    host = allowed_host(written).replace("*", "shop")
    async with application_with(ALLOWED_HOSTS=written) as client:
        assert (await client.get("/docs", headers={"Host": host})).status_code == 200
        assert (await client.get("/docs", headers={"Host": "evil.example"})).status_code == 400
