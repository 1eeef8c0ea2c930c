#!/usr/bin/env bash
# Makes sure that the image every other one starts from is there: from a registry where one
# answers, else bootstrapped from the machine's Debian mirror under the same name.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

IMAGE=debian:trixie-slim

if docker image inspect "$IMAGE" >/dev/null 2>&1; then exit 0; fi
say "base image: pulling $IMAGE"
if timeout 120 docker pull -q "$IMAGE" >/dev/null 2>&1; then exit 0; fi

if ! on_debian || [[ $(id -u) -ne 0 ]]; then
  fail "no registry gave $IMAGE, and bootstrapping it needs Debian and root (once: sudo deploy/base-image.sh)"
fi
say "base image: no registry answers; bootstrapping Debian trixie (about a minute)"
if ! command -v debootstrap >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=${VAINA_DEBIAN_MIRROR:-$(debian_mirror)}
# debootstrap's own default mirror serves where apt's sources name none.
debootstrap --variant=minbase trixie "$work/root" ${mirror:+"$mirror"} >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; fail "debootstrap failed"; }
# What the slim image leaves out as well; apt lists are fetched anew by every build.
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* \
  "$work"/root/usr/share/{doc,man,locale,info}/*
tar -C "$work/root" -c . | docker import -c 'CMD ["bash"]' - "$IMAGE" >/dev/null
say "base image: $IMAGE is ready"
