#!/bin/sh
# The command line of Carelog, on one database: CARELOG_DATABASE_URL, or the file CARELOG_DATABASE_URL_FILE that holds it, is
# the address of each part that has none of its own. An address holds a password, so a file is better than a variable.
set -eu
if [ -n "${CARELOG_DATABASE_URL_FILE:-}" ]; then CARELOG_DATABASE_URL=$(cat "$CARELOG_DATABASE_URL_FILE"); fi
if [ -n "${CARELOG_DATABASE_URL:-}" ]; then
  export CARELOG_LOG_URL="${CARELOG_LOG_URL:-$CARELOG_DATABASE_URL}"
  export CARELOG_ACCESS_LOG_URL="${CARELOG_ACCESS_LOG_URL:-$CARELOG_DATABASE_URL}"
  export CARELOG_READ_MODELS_URL="${CARELOG_READ_MODELS_URL:-$CARELOG_DATABASE_URL}"
  export CARELOG_DISTRIBUTION_URL="${CARELOG_DISTRIBUTION_URL:-$CARELOG_DATABASE_URL}"
  export CARELOG_KEYRING_URL="${CARELOG_KEYRING_URL:-$CARELOG_DATABASE_URL}"
  export CARELOG_OWNER_URL="${CARELOG_OWNER_URL:-$CARELOG_DATABASE_URL}"
fi
unset CARELOG_DATABASE_URL
exec node --disable-warning=ExperimentalWarning --disable-warning=TimeoutNegativeWarning /carelog/apps/carelog/src/cli.ts "$@"
