#!/usr/bin/env bash
# Applies the migrations, then creates the initial data. Safe to repeat, and to run on many replicas at once.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
PATH="${VENV:-.venv}/bin:$PATH"

python -c 'import app' 2>/dev/null || {
  echo "The dependencies aren't installed here: \`make env\` installs them into .venv." >&2
  exit 1
}
python -m alembic upgrade head
python -m app.initial_data
