#!/bin/bash
# Run by PostgreSQL when its data folder is made: each service signs in as itself. What it may do there, `carelog migrate` says.
set -euo pipefail
for service in gateway writer projector relay; do
  psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    -v role="carelog_$service" -v password="$(cat "/run/secrets/password-$service")" <<<'CREATE ROLE :"role" LOGIN PASSWORD :'"'password'"
done
psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<SQL
REVOKE ALL ON DATABASE "$POSTGRES_DB" FROM PUBLIC;
GRANT CONNECT ON DATABASE "$POSTGRES_DB" TO carelog_gateway, carelog_writer, carelog_projector, carelog_relay;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
