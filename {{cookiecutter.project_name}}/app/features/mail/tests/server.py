"""A real SMTP server on loopback, which fails as it is told to."""

import asyncio
import ssl
import warnings
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOGIN = LoginPassword(b"ana", b"pass:word/1")


class Server:
    """`replies` are what it says to the next commands of that name, in place of a yes."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.connections = 0
        self.over_tls: list[bool] = []
        self.replies: dict[str, deque[str]] = {"MAIL": deque(), "RCPT": deque(), "DATA": deque()}
        self.cuts_after_data = 0
        self.delay = 0.0
        self.helo = ""
        self.is_asked = asyncio.Event()  # to take an email

    def _reply(self, command: str) -> str:
        return self.replies[command].popleft() if self.replies[command] else "250 OK"

    async def handle_EHLO(self, _: SMTP, session: Session, __: Envelope, name: str, replies: list[str]) -> list[str]:  # noqa: N802
        session.host_name = self.helo = name
        return replies

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        envelope.mail_from, envelope.mail_options = address, options
        return self._reply("MAIL")

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> bytes:  # noqa: N802
        reply = self._reply("RCPT")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply.encode(errors="surrogateescape")  # in Latin-1, if the test wants it

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = self._reply("DATA")
        self.is_asked.set()
        await asyncio.sleep(self.delay)
        if reply.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message: Any = message_from_bytes(envelope.content, policy=default)
            self.received.append(message)
            self.recipients += envelope.rcpt_tos
            self.over_tls.append(session.ssl is not None)
        if self.cuts_after_data:
            self.cuts_after_data -= 1
            assert isinstance(smtp.transport, asyncio.WriteTransport)
            smtp.transport.abort()
        return reply


@asynccontextmanager
async def mail_server(
    starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, *, asks_for_login: bool = False
) -> AsyncIterator[Server]:
    server = Server()

    def check(*arguments: object) -> AuthResult:
        return AuthResult(success=arguments[-1] == LOGIN, handled=False)

    def connected() -> SMTP:
        server.connections += 1
        with warnings.catch_warnings(action="ignore"):  # it takes a login under TLS from the start for one without TLS
            return SMTP(
                server,
                tls_context=starttls,
                require_starttls=starttls is not None,
                auth_required=asks_for_login,
                auth_require_tls=tls is None,
                authenticator=check,
                enable_SMTPUTF8=True,
                hostname="localhost",
            )

    listener = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


def make_certificate(folder: Path, address: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """The TLS context of a server at this address, and the certificate of the authority that vouches for it."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())

    def begin(public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    may_sign = x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
    authority = (
        begin(authority_key.public_key())
        .subject_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(may_sign, critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        begin(key.public_key())
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    chain, authority_path = folder / "server.pem", folder / "authority.pem"
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password)
    chain.write_bytes(key_pem + certificate.public_bytes(pem))
    authority_path.write_bytes(authority.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, authority_path
