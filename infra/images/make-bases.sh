#!/bin/bash
# Makes stand-ins for the public base images, for machines with a Docker engine and no registry of images:
#   carelog-base/node, carelog-base/postgres, carelog-base/kafka
# from Debian's packages, the npm package `node`, npm and Kafka's jars. They take the settings that the public images take, as
# far as infra/compose uses them. Run as root, after `npm ci`. Bases that are there already are left alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
suite=bookworm
npm_version=11.21.2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DOCKER_BUILDKIT=0

need() {
  command -v "$1" >/dev/null || { echo "$1 is missing. On Debian: apt-get install $2" >&2; exit 1; }
}
image() {
  docker build -t "$1" -f "$2" "$3" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
}
missing() { ! docker image inspect "$1" >/dev/null 2>&1; }

need docker docker.io
docker info >/dev/null 2>&1 || { echo 'No Docker engine answers. As root: dockerd &' >&2; exit 1; }

if missing "carelog-base/debian"; then
  need debootstrap debootstrap
  debootstrap --variant=minbase --include=ca-certificates,tini "$suite" "$work/debian" >"$work/log" 2>&1 ||
    { tail "$work/log" >&2; exit 1; }
  # Whom this machine trusts, its containers trust: packages may come through a proxy with a certificate of its own.
  cp -L /etc/ssl/certs/ca-certificates.crt "$work/debian/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/var/lib/apt/lists/*
  tar -C "$work/debian" -c . |
    docker import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' - carelog-base/debian >/dev/null
  rm -rf "$work/debian"
fi

if missing carelog-base/node; then
  need npm npm
  node=$root/node_modules/node/bin/node
  [ -x "$node" ] || { echo 'Node 26 is missing. Run: npm ci' >&2; exit 1; }
  mkdir "$work/node"
  cp "$node" "$work/node/node"
  (cd "$work/node" && npm pack --silent "npm@$npm_version" >/dev/null && tar -xzf npm-*.tgz && mv package npm)
  image carelog-base/node "$here/bases/node.Dockerfile" "$work/node"
fi

if missing carelog-base/postgres; then
  image carelog-base/postgres "$here/bases/postgres.Dockerfile" "$here/bases"
fi

if missing carelog-base/kafka; then
  need mvn maven
  mkdir "$work/kafka"
  mvn --batch-mode --quiet --file "$root/infra/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    "-DoutputDirectory=$work/kafka/libs"
  cp "$root/infra/kafka/log4j2.yaml" "$here/bases/kafka-entrypoint.sh" "$work/kafka"
  image carelog-base/kafka "$here/bases/kafka.Dockerfile" "$work/kafka"
fi

docker image ls --format '{{.Repository}} {{.Size}}' 'carelog-base/*'
