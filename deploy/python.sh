#!/usr/bin/env bash
# Make .venv with the locked packages, of the folder BUNDLE where one is given (bundle.sh). On a bare Debian machine, install
# what Python lacks for that first.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing python3 and python3-venv from the distribution's packages"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >/dev/null
    python=/usr/bin/python3
  else
    echo "setup: python3 with venv is needed (Debian and Ubuntu: apt-get install python3 python3-venv)" >&2
    exit 1
  fi
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: Python 3.11 or newer is needed" >&2; exit 1; }
# The locks name all packages (tests/unit/tools/test_locks.py). With --no-deps pip looks for no others: it would take a
# newer release of one that is asked for with an extra, and refuse that for want of a hash.
echo "setup: virtual environment with the locked packages"
"$python" -m venv .venv
source=()
if [[ -n ${BUNDLE:-} ]]; then
  [[ -d $BUNDLE/wheels ]] || { echo "setup: BUNDLE: there is no $BUNDLE/wheels; \`make bundle\` writes such a folder" >&2; exit 1; }
  source=(--no-index --find-links "$BUNDLE/wheels")
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps "${source[@]}" -r requirements/dev.txt
echo "$PWD" > "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vaina-checkout.pth"
cat > .venv/bin/vaina <<SCRIPT
#!$PWD/.venv/bin/python
from cli.__main__ import main
main()
SCRIPT
chmod +x .venv/bin/vaina
touch .venv/.installed
