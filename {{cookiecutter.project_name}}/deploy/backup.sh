# shellcheck shell=bash
# Backups of the database that PGHOST, PGUSER, PGPASSWORD and PGDATABASE name, in the folder BACKUPS:
#   backup.sh now             writes one, and deletes those that are older than BACKUP_DAYS
#   backup.sh nightly         does so between 3 and 4 o'clock (UTC), and at once where there is none of the last day
#   backup.sh list            lists them
#   backup.sh check           fails if there is none of the last day
#   backup.sh restore [FILE]  puts one, the newest unless it is named, in the place of the database, which stays beside it
set -euo pipefail
umask 077
export PGOPTIONS=--client-min-messages=warning

folder=${BACKUPS:-/backups}

backups() { find "$folder" -maxdepth 1 -name "$PGDATABASE-*.dump" "$@" | sort; }

sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --dbname postgres "$@"; }

now() {
  local file
  file="$folder/$PGDATABASE-$(date --utc +%Y-%m-%dT%H-%M-%SZ).dump"
  # A part left behind would keep a full disk full, on which PostgreSQL may be, too.
  pg_dump --format custom --file "$file.partial" || { rm -f "$file.partial"; exit 1; }
  mv "$file.partial" "$file"
  echo "Wrote $file, $(du --human-readable "$file" | cut --fields 1)."
  # only once there is a new one, so that a failure that nobody notices deletes nothing
  find "$folder" -maxdepth 1 -name "$PGDATABASE-*.dump*" -mtime "+${BACKUP_DAYS:-14}" -delete
}

nightly() {
  trap exit TERM INT
  while true; do
    if [[ -z $(backups -mmin -1560) || ($(date --utc +%H) == 03 && -z $(backups -mmin -720)) ]]; then
      bash "${BASH_SOURCE[0]}" now || echo "There is no backup, for the reason above. The next attempt follows in 10 minutes." >&2
    fi
    sleep 600 &
    wait $! # unlike a command in the foreground, a signal interrupts it
  done
}

restore() {
  local file=${1:-$(backups | tail --lines 1)} new="${PGDATABASE}_restored" old
  old="${PGDATABASE}_until_$(date --utc +%Y_%m_%d_%H_%M_%S)"
  [[ -e $file ]] || file="$folder/$file"
  pg_restore --list "$file" >/dev/null # fails if it is no backup
  dropdb --if-exists --force "$new" # what an attempt that was killed has left
  createdb --template template0 "$new"
  pg_restore --exit-on-error --jobs 2 --dbname "$new" "$file" || { dropdb --force "$new"; exit 1; }
  psql --no-psqlrc --quiet --dbname "$new" --command ANALYZE

  if [[ -n $(sql --command "SELECT 1 FROM pg_database WHERE datname = '$PGDATABASE'") ]]; then
    # Clients come back at once, so they are kept out first.
    sql --command "ALTER DATABASE \"$PGDATABASE\" ALLOW_CONNECTIONS false"
    sql --output /dev/null --command "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '$PGDATABASE'"
    sql --single-transaction --command "ALTER DATABASE \"$PGDATABASE\" RENAME TO \"$old\"" \
      --command "ALTER DATABASE \"$new\" RENAME TO \"$PGDATABASE\"" \
      --command "ALTER DATABASE \"$old\" ALLOW_CONNECTIONS true" ||
      { sql --command "ALTER DATABASE \"$PGDATABASE\" ALLOW_CONNECTIONS true"; exit 1; }
    echo "The former database is $old; \`dropdb $old\` deletes it."
  else
    sql --command "ALTER DATABASE \"$new\" RENAME TO \"$PGDATABASE\""
  fi
  echo "$PGDATABASE is what it was in $file."
}

case ${1:-} in
  now | nightly | restore) "$@" ;;
  list) backups ;;
  check) backups -mmin -1620 | grep --quiet . ;;
  *) sed -n '2,7s/^# *//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
