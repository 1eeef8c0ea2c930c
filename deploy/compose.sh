#!/usr/bin/env bash
# `docker compose`, or the plugin in .tools/bin (deploy/trixie.sh) where the machine's is missing or too old.
# `compose.sh --which` prints the path of the one that is taken.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

# Older ones lack what docker-compose.yml uses (2.20) or are the other, older program (1.x).
new_enough() {
  local version
  version=$(docker compose version --short 2>/dev/null) || return 1
  version=${version#v}
  [[ $(printf '%s\n' 2.20 "$version" | sort -V | head -n 1) == 2.20 ]]
}

if [[ ${1:-} == --which ]]; then
  if new_enough; then
    exec docker info --format '{{range .ClientInfo.Plugins}}{{if eq .Name "compose"}}{{.Path}}{{end}}{{end}}'
  fi
  echo "$TOOLS/bin/docker-compose"
  exit 0
fi
if new_enough; then exec docker compose --project-directory "$ROOT" "$@"; fi
[[ -x $TOOLS/bin/docker-compose ]] || fail "no compose plugin of 2.20 or newer; run deploy/trixie.sh compose"
exec "$TOOLS/bin/docker-compose" --project-directory "$ROOT" "$@"
