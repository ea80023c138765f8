"""`make bench ARGS=growth.py`: what a request costs as the tables grow from 10^3 to 10^6 rows each.

Exits with 1 unless the number of statements per request stays the same, the time of each route stays flat, and every
statement that the application sends finds its rows by an index. The plans are written to explain.txt.
"""

import contextlib
import http.client
import json
import re
import statistics
import sys
import tempfile
import tomllib
import urllib.error
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from accounts import PASSWORD, Accounts
from machine import SERVER
from rounds import Bench, logging_statements, percentile, round_trips, row
from servers import HERE, Postgres, Project, Server

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TOLERANCE = 0.15
PAGES = 10_000
TABLES = ("users", "login_sessions", "pets", "rate_limits")
ROUTES: dict[str, dict[str, Any]] = {
    "GET /users/me": {},
    "GET /users": {},
    "GET /pets/me": {},
    "POST /pets/create": {"body": '{"pet_name": "Rex"}'},
    "GET /auth/sessions": {},
    "POST /auth/refresh-token": {"chain": "refresh_token"},
}
# The first account is a superuser and owns all pets.
SEED = """
INSERT INTO users (email, hashed_password) SELECT 'user' || n || '@example.com', '-' FROM generate_series(1, {size}) n;
INSERT INTO login_sessions (user_id, expires_at)
    SELECT id, now() + random() * interval '28 days' FROM users WHERE hashed_password = '-';
INSERT INTO pets (user_id, pet_name)
    SELECT id, 'pet ' || n FROM users, generate_series(1, {size}) n WHERE email = 'benchmark0@example.com';
INSERT INTO rate_limits (key, resets_at)
    SELECT sha256(n::text::bytea), now() + interval '1 day' FROM generate_series(1, {size}) n;
UPDATE users SET is_superuser = true WHERE email = 'benchmark0@example.com';
"""


def prepared(project: Project, size: int, postgres: Postgres) -> Project:
    environment = project.environment | {"SECURITY_BCRYPT_ROUNDS": "4"}
    return replace(project, name=f"rows{size}", environment=environment, routes=ROUTES).prepared(postgres)


def filled(accounts: Accounts, size: int, postgres: Postgres) -> Accounts:
    name = accounts.server.project.name
    postgres.run(name, *SEED.format(size=size).split(";")[:-1], "VACUUM ANALYZE")
    return accounts


def compare_sizes(bench: Bench, everyone: list[Accounts]) -> bool:
    print("\n| route |", " | ".join(f"p50 at {size:,} rows" for size in SIZES), "| growth | statements |")
    print("|---|", "---:|" * (len(SIZES) + 2), sep="")
    flat = True
    for route in ROUTES:
        seen = bench.interleaved(*(partial(one.load, route, bench.seconds, 1) for one in everyone))
        medians = [statistics.median(percentile(round_, 0.5) for round_ in rounds) for rounds in seen]
        growth = statistics.median(
            percentile(last, 0.5) / percentile(first, 0.5) for first, last in zip(seen[0], seen[-1], strict=True)
        )
        statements = {round_trips(bench.postgres, one, route) for one in everyone}
        flat = flat and growth <= 1 + TOLERANCE and len(statements) == 1
        times = (f"{median * 1000:.2f} ms" for median in medians)
        row(route, *times, f"{growth - 1:+.0%}", " or ".join(f"{count:g}" for count in sorted(statements)))
    return flat


def compare_pages(bench: Bench, accounts: Accounts) -> bool:
    """Follow the links to page 10 000, as a client would, and compare it with page 1."""
    port, path = accounts.server.port, "/pets/me"
    headers = {"Authorization": f"Bearer {accounts.tokens[0]['access_token']}"}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(PAGES - 1):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        path = re.findall(r"<(/[^>]+)>", response.headers["Link"])[0]
    connection.close()
    accounts.server.project.routes[f"GET {path}"] = {}
    pages = ("GET /pets/me", f"GET {path}")
    seen = bench.interleaved(*(partial(accounts.load, route, bench.seconds, 1) for route in pages))
    growth = statistics.median(percentile(b, 0.5) / percentile(a, 0.5) for a, b in zip(*seen, strict=True))
    print(f"\nPage {PAGES:,} of a million pets takes {growth:.2f} times as long as page 1; goal: at most 1.1.")
    return growth <= 1.1


def visit_everything(server: Server) -> None:
    """Call each route at least once, and some again so that they take another path through the code."""

    def call(method: str, path: str, body: Any = None, token: str = "") -> Any:
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        with contextlib.suppress(urllib.error.HTTPError):
            return server.call(method, path, text, {"Authorization": f"Bearer {token}"} if token else {})

    def account(number: int) -> dict[str, str]:
        return {"email": f"benchmark{number}@example.com", "password": PASSWORD}

    def login(number: int, password: str = PASSWORD) -> dict[str, Any]:
        found: dict[str, Any] = call(
            "POST", "/auth/access-token", f"username={account(number)['email']}&password={password}"
        )
        return found

    admin = login(0)["access_token"]
    call("GET", "/health/ready")
    user_id = call("POST", "/users/register", account(9))["id"]
    login(9, "wrong")
    first = login(9)
    second = call("POST", "/auth/refresh-token", {"refresh_token": first["refresh_token"]})
    token = second["access_token"]
    call("GET", "/users/me", token=token)
    pet = call("POST", "/pets/create", {"pet_name": "Rex"}, token)["id"]
    call("GET", "/pets/me", token=token)
    call("GET", f"/pets/{pet}", token=token)
    call("PATCH", f"/pets/{pet}", {"pet_name": "Max"}, token)
    call("DELETE", f"/pets/{pet}", token=token)
    session = call("GET", "/auth/sessions", token=token)[0]["id"]
    call("POST", "/auth/refresh-token", {"refresh_token": first["refresh_token"]})  # spent: ends the session
    token = login(9)["access_token"]
    call("DELETE", f"/auth/sessions/{session}", token=token)
    call("POST", "/auth/logout", {"refresh_token": login(9)["refresh_token"]})
    call("POST", "/users/reset-password", {"current_password": PASSWORD, "new_password": PASSWORD}, token)
    call("POST", "/auth/logout-all", token=login(9)["access_token"])
    call("GET", "/users", token=admin)
    call("GET", f"/users/{user_id}", token=admin)
    call("PATCH", f"/users/{user_id}", {"is_superuser": True}, admin)
    call("DELETE", "/users/me", token=login(9)["access_token"])
    other = call("POST", "/users/register", account(9))["id"]
    call("PATCH", f"/users/{other}", {"is_active": False}, admin)
    call("DELETE", f"/users/{other}", token=admin)


STATEMENT = re.compile(r"LOG:  execute [^:]+: (.*(?:\n\t.*)*)")


def explain(postgres: Postgres, server: Server) -> bool:
    """Write down the plan of every statement that the application sends; return whether none reads a whole table."""
    with logging_statements(postgres):
        before = postgres.log.stat().st_size
        visit_everything(server)
    log = postgres.log.read_bytes()[before:].decode()
    statements = {re.sub(r"\s+", " ", text).strip() for text in STATEMENT.findall(log)}
    ours = sorted(text for text in statements if any(re.search(rf"\b{table}\b", text) for table in TABLES))
    plans = [plan_of(statement, postgres, server.project.name) for statement in ours]
    scans = sum(bool(re.search(rf"Seq Scan on ({'|'.join(TABLES)})\b", plan)) for plan in plans)
    text = "\n".join(f"{statement}\n\n{plan}\n" for statement, plan in zip(ours, plans, strict=True))
    (HERE / "explain.txt").write_text(text)
    print(f"\n{len(ours)} statements explained in explain.txt; {scans} of them read a whole table.")
    return scans == 0


def plan_of(statement: str, postgres: Postgres, name: str) -> str:
    """The generic plan, which PostgreSQL keeps for a prepared statement whatever its parameters."""
    nulls = ", ".join("NULL" for _ in set(re.findall(r"\$\d+", statement)))
    rows = postgres.run(
        name,
        "SET plan_cache_mode = force_generic_plan",
        f"PREPARE statement AS {statement}",
        f"EXPLAIN (COSTS OFF) EXECUTE statement{f'({nulls})' if nulls else ''}",
    )
    return "\n".join(line[0] for line in rows)


def main() -> None:
    with Path(sys.argv[1]).open("rb") as file:
        configuration = tomllib.load(file)
    folder = Path(sys.argv[2])
    project = Project(folder=folder, **configuration["projects"][0])
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        Path(place).chmod(0o755)  # as root, PostgreSQL runs as another user
        postgres = stack.enter_context(Postgres(folder, Path(place) / "postgres"))
        bench = Bench(configuration, postgres)
        everyone = []
        for size in SIZES:
            server = stack.enter_context(Server(prepared(project, size, postgres), SERVER))
            everyone.append(filled(Accounts(server, 4).registered(), size, postgres).logged_in())
        print("## As the tables grow")
        good = [
            compare_sizes(bench, everyone),
            compare_pages(bench, everyone[-1]),
            explain(postgres, everyone[-1].server),
        ]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
