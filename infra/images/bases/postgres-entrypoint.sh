#!/bin/bash
# As the entry point of the public image: makes the cluster on the first start, runs /docker-entrypoint-initdb.d, then serves.
# POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD, POSTGRES_USER and POSTGRES_DB say what the public image lets them say.
set -euo pipefail
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
[ "${1:-postgres}" = postgres ] || exec "$@"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")
  password=${password:-${POSTGRES_PASSWORD:?Name a file in POSTGRES_PASSWORD_FILE that holds the password of $user}}
  initdb --username="$user" --pwfile=<(printf '%s\n' "$password") --auth-host=scram-sha-256 --auth-local=trust \
    --encoding=UTF8 --locale=C >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --silent -o "-c listen_addresses=''" start
  psql=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user")
  if [ "$database" != postgres ]; then "${psql[@]}" -d postgres -c "CREATE DATABASE \"$database\""; fi
  export POSTGRES_USER=$user POSTGRES_DB=$database
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) bash "$script" ;;
      *.sql) "${psql[@]}" -d "$database" -f "$script" ;;
    esac
  done
  pg_ctl --wait --silent --mode=fast stop
fi
exec "$@" -c listen_addresses='*'
