#!/usr/bin/env bash
# Gives the volume of an etcd that ran as root to the user that runs it now. Nothing is done to any other one.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

VOLUME=${COMPOSE_PROJECT_NAME:-vaina}_etcd
IMAGE=vaina-etcd:${VAINA_TAG:-latest}

if ! docker volume inspect "$VOLUME" >/dev/null 2>&1; then exit 0; fi
changed=$(docker run --rm --network none --read-only --user 0:0 --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE \
  -v "$VOLUME:/var/lib/etcd" "$IMAGE" find /var/lib/etcd ! -user 65532 -print -exec chown -h 65532:65532 {} + | wc -l)
((changed == 0)) || say "cluster: the volume $VOLUME was root's; it belongs to etcd's user now"
