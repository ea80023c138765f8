#!/usr/bin/env bash
# Migrations, then initial data. Safe to repeat, and to start from many replicas at once.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
PATH="${VENV:-.venv}/bin:$PATH"

python -m alembic upgrade head
python -m app.initial_data
