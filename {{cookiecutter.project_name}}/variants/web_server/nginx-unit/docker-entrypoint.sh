#!/usr/bin/env bash
# Migrate, start and configure Unit; when told to stop, first finish the requests in flight. Given a command, run that.
# The image's own entrypoint would serve before it migrates, and never migrate again after a failed start.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
(($# == 0)) || exec "$@"
run_dir=/tmp/unit # everything is written to /tmp, so that the rest can be read-only
export PROMETHEUS_MULTIPROC_DIR=/tmp/metrics

unit_api() { # writes to stderr: stdout is for the application's log
  curl --silent --show-error --fail-with-body --unix-socket "$run_dir/control.sock" --request "$1" "${@:3}" "http://unit/$2" >&2
}

stop() {
  trap '' TERM INT # a second signal doesn't start this again
  local not_ready='{"match": {"uri": "*/health/ready"}, "action": {"return": 503}}'
  unit_api PUT config/routes --data "[$not_ready, {\"action\": {\"pass\": \"applications/app\"}}]"
  sleep "${SHUTDOWN_DELAY:-0}"
  unit_api DELETE config/listeners
  local deadline=$((SECONDS + ${SHUTDOWN_TIMEOUT:-20}))
  until unit_api GET status/applications/app/requests/active 2>&1 | grep --quiet '^0' || ((SECONDS > deadline)); do sleep 0.1; done
  kill -TERM "$unitd"
  wait "$unitd"
  exit
}

# Unit opens its log by name, which fails if standard error is another user's file.
(: >>"/proc/$$/fd/2") 2>/dev/null || { echo "User $(id --user) may not open /dev/stderr, which Unit logs to." >&2; exit 1; }

trap exit TERM INT
bash init.sh >&2 &
wait $! # unlike a command in the foreground, a signal interrupts it

rm -rf "$run_dir" "$PROMETHEUS_MULTIPROC_DIR"
mkdir -p "$run_dir/state" "$run_dir/tmp" "$PROMETHEUS_MULTIPROC_DIR"
unitd --no-daemon --log /dev/stderr --pid "$run_dir/unit.pid" --control "unix:$run_dir/control.sock" \
  --statedir "$run_dir/state" --tmpdir "$run_dir/tmp" &
unitd=$!
until [[ -S $run_dir/control.sock ]]; do
  kill -0 "$unitd" # fails, and ends this script, if Unit has exited
  sleep 0.1
done
# bash handles signals only after this: Unit would hang if it had to stop while the application starts
changes=(--expression "s/\"processes\": .*/\"processes\": ${WEB_CONCURRENCY:-1}/")
changes+=(--expression "s|:8000\"|:${PORT:-8000}\"|")
[[ -e /proc/net/if_inet6 ]] || changes+=(--expression '/"\[::\]/d') # no IPv6 here: Unit would refuse to listen
sed "${changes[@]}" nginx-unit-config.json | unit_api PUT config --data-binary @-

trap stop TERM INT
wait "$unitd"
