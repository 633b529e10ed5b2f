#!/bin/sh
# Makes what the stack needs to know before it starts: passwords, keys and the list of issuers, in data/compose/ (mode 0700,
# never in the repository). What is there already stays. Run it once: infra/compose/prepare.sh
# Settings: CARELOG_IMAGE (carelog), CARELOG_SECRETS (data/compose).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
secrets=${CARELOG_SECRETS:-$here/../../data/compose}
mkdir -p "$secrets"
chmod 700 "$secrets"
secrets=$(cd "$secrets" && pwd)
# In a container, because the files must belong to the user that the services run as.
docker run --rm --interactive --user 0:0 --network none --entrypoint sh --volume "$secrets:/out" \
  "${CARELOG_IMAGE:-carelog}" -eu -s <<'INSIDE'
cd /out
umask 077
random() { head -c "$1" /dev/urandom | basenc --base64url --wrap=0 | tr -d =; }
# Each name once, with the mode and the owner that its reader needs.
keep() {
  [ -e "$1" ] && { cat >/dev/null; return; }
  cat >"$1.new"; chmod "$2" "$1.new"; chown 10001:10001 "$1.new"; mv "$1.new" "$1"
}
for role in owner gateway writer projector relay; do
  random 24 | keep "password-$role" 444
  echo "postgres://carelog_$role:$(cat "password-$role")@postgres:5432/carelog" | keep "database-$role" 400
done
keep service.key 400 <<EOF
$(random 32)
EOF
keep master.key 400 <<EOF
{"version":1,"id":"$(random 8)","keyEncryptionKey":"$(random 32)","hmacKey":"$(random 32)","createdAt":"$(date -u +%Y-%m-%dT%H:%M:%S.000Z)"}
EOF
# Whose tokens are accepted where the personas are switched off: docs/reference/identity.md.
echo '{"issuers":[]}' | keep issuers.json 444
INSIDE
echo "Made in $secrets; back up master.key apart from everything else."
