#!/usr/bin/env bash
# Brings Chromium and its driver, for the tests of the page (tests/page): Debian's own packages, which root may install.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then exit 0; fi
on_debian || fail "chromium: neither chromium and chromedriver on PATH, nor Debian"
((EUID == 0)) || fail "chromium: as root: apt-get install chromium chromium-driver fonts-dejavu-core"
say "chromium: installing it with its driver from Debian's packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null
