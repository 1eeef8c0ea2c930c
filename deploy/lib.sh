# shellcheck shell=bash
# Small things that the start scripts share. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # read by the scripts that source this file
TOOLS=$ROOT/.tools
# What build.sh makes, each as vaina-NAME:$VAINA_TAG.
# shellcheck disable=SC2034
IMAGES=(etcd registry control-plane node)
# With COMPOSE_PROFILES=monitoring Prometheus as well.
[[ ,${COMPOSE_PROFILES:-}, != *,monitoring,* ]] || IMAGES+=(prometheus)

say() { printf '==> %s\n' "$*" >&2; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

on_debian() { [[ -r /etc/debian_version ]] && command -v apt-get >/dev/null; }

engine_answers() { docker version >/dev/null 2>&1; }

# wait_for SECONDS COMMAND...: true as soon as the command is.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

# The Debian mirror this machine is set up for ("http://host/debian"), from its own apt sources.
debian_mirror() {
  # shellcheck disable=SC2016  # the format is apt's, not the shell's
  apt-get indextargets --format '$(SITE)|$(RELEASE)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' '$2 !~ /security|updates|backports/ && $1 ~ /\/debian\/?$/ {sub(/\/$/, "", $1); print $1; exit}'
}

# A number for everything that goes into the images: what .dockerignore lets through.
sources_of_images() {
  (cd "$ROOT" && find requirements protos tools/gen_protos.py vaina apiserver scheduler controller kubelet cli docs/lessons dashboard \
    deploy/images deploy/prometheus \
    -type f ! -path 'vaina/api/*' ! -name '*_pb2*' ! -path '*/__pycache__/*' ! -name '*.crt' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
}
