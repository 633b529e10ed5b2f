#!/bin/bash
# As the public image: every variable KAFKA_A_B becomes the setting a.b (__ an underscore, ___ a dash); CLUSTER_ID formats the log.
set -euo pipefail
properties=/opt/kafka/config/server.properties
env | sed -nE 's/^KAFKA_([A-Z0-9_]+)=(.*)$/\1=\2/p' | while IFS='=' read -r name value; do
  case $name in HEAP_OPTS | OPTS | LOG4J_OPTS) continue ;; esac
  key=$(printf %s "$name" | tr '[:upper:]' '[:lower:]' | sed -e 's/___/-/g' -e 's/__/%/g' -e 's/_/./g' -e 's/%/_/g')
  printf '%s=%s\n' "$key" "$value"
done >"$properties"
run() { java -cp '/opt/kafka:/opt/kafka/libs/*' "$@"; }
run kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:?}" -c "$properties" >/dev/null
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:--Xms256m -Xmx512m} -cp '/opt/kafka:/opt/kafka/libs/*' kafka.Kafka "$properties"
