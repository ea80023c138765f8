#!/usr/bin/env bash
# Migrate, then serve. Given a command, run that instead.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
(($# == 0)) || exec "$@"
export PROMETHEUS_MULTIPROC_DIR=/tmp/metrics # everything is written to /tmp, so that the rest can be read-only
export UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="${SHUTDOWN_TIMEOUT:-20}"

trap exit TERM INT
bash init.sh >&2 & # stdout is for the application's log
wait $! # unlike a command in the foreground, a signal interrupts it

rm -rf "$PROMETHEUS_MULTIPROC_DIR"
mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
# With several processes Uvicorn would end with status 0 because of it.
if [[ -n ${METRICS_PORT:-} ]]; then
  python -c "import socket; socket.create_server(('', $METRICS_PORT)).close()" ||
    { echo "METRICS_PORT $METRICS_PORT can't be used; the reason stands above." >&2; exit 1; }
fi
# It reads WEB_CONCURRENCY itself.
exec python -m uvicorn app.main:app --host 0.0.0.0 --loop uvloop --http app.server.protocol:BoundedHttp \
  --no-access-log --no-server-header --no-proxy-headers --port "${PORT:-8000}"
