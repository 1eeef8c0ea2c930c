#!/usr/bin/env bash
# Takes the cluster away (`make down`): containers, networks, volumes, and the cgroups that killed nodes left.
# Images and the engine stay.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

PROJECT=${COMPOSE_PROJECT_NAME:-vaina}

# The administrator's keys, whatever else is here; the others are in volumes. `make up` makes them anew.
rm -rf "$ROOT/deploy/admin/$PROJECT"

if ! engine_answers; then
  say "cluster: no Docker engine answers, so nothing of it can be running"
  exit 0
fi
# Compose forgets the anonymous volumes of a node that it has recreated once, so they are noted down first.
mapfile -t containers < <(docker ps -aq --filter "label=com.docker.compose.project=$PROJECT")
volumes=()
if ((${#containers[@]})); then
  mapfile -t volumes < <(docker inspect -f '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' \
    "${containers[@]}" | awk 'NF')
fi
if ! "$ROOT/deploy/compose.sh" version >/dev/null 2>&1; then
  if ((${#containers[@]} == 0)); then
    say "cluster: nothing of project $PROJECT is here, nor a compose plugin that could have started it"
    exit 0
  fi
  "$ROOT/deploy/trixie.sh" compose
fi
say "cluster: removing containers, networks and volumes of project $PROJECT"
"$ROOT/deploy/compose.sh" --progress quiet --profile private-registry --profile registry-push --profile monitoring down -v --remove-orphans
((${#volumes[@]} == 0)) || docker volume rm -f "${volumes[@]}" >/dev/null

# A node that is stopped removes its own cgroups; one that was killed cannot. From a container, because the
# engine may run in a virtual machine, or this user may not be root.
IMAGE=vaina-node:${VAINA_TAG:-latest}
if docker image inspect "$IMAGE" >/dev/null 2>&1; then
  docker run --rm --network none -v /sys/fs/cgroup:/sys/fs/cgroup:rw "$IMAGE" \
    bash -c 'find /sys/fs/cgroup/vaina /sys/fs/cgroup/*/vaina -depth -type d -path "*/vaina/$0-node-*" -exec rmdir {} +
             rmdir /sys/fs/cgroup/vaina /sys/fs/cgroup/*/vaina
             true' "$PROJECT" 2>/dev/null
fi
say "cluster: gone"
