#!/usr/bin/env bash
# Makes sure that a Docker engine answers: takes the one that is there, else installs
# the distribution's own and starts it.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

LOG=/var/log/dockerd.log

# Nodes make cgroups at the top of the machine's tree, and devices (decision 011): said here, not by the first Pod.
refuse_unsupported() {
  if [[ $(docker version 2>/dev/null || true) == *[Pp]odman* ]]; then
    fail "this is Podman; nodes need a Docker engine with root (docs/machines.md)"
  fi
  case $(docker info --format '{{.SecurityOptions}}' 2>/dev/null) in
    *name=rootless*) fail "this Docker engine is rootless; nodes need one with root (docs/machines.md)" ;;
    *name=userns*) fail "this Docker engine remaps users (userns-remap); nodes need one that does not (docs/machines.md)" ;;
  esac
}

if command -v docker >/dev/null && engine_answers; then
  refuse_unsupported
  say "engine: using the one that answers ($(docker version --format '{{.Server.Version}}'))"
  exit 0
fi
if ! on_debian || [[ $(id -u) -ne 0 ]]; then
  fail "no Docker engine answers. Start one (or: sudo apt-get install docker.io), make sure that
       'docker version' works for this user, and run this again."
fi

if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then
  say "engine: none answers; installing docker.io and iptables from the distribution's packages"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null
fi
if [[ -d /run/systemd/system ]]; then
  say "engine: starting the docker service"
  systemctl start docker
else
  say "engine: no service manager here; starting dockerd directly (log: $LOG)"
  # A pid file left by an engine that was killed would make the new one refuse.
  rm -f /var/run/docker.pid
  setsid dockerd >>"$LOG" 2>&1 </dev/null &
fi
wait_for 60 engine_answers || fail "the engine did not answer within 60 s; see $LOG"
say "engine: up ($(docker version --format '{{.Server.Version}}'))"
