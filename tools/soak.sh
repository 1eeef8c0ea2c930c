#!/usr/bin/env bash
# What is too long for `make test` (`make soak`): a kubelet killed 100 times in a mixed load, and the tests that are marked `soak`, a crowd of 100 Pods
# among them; certificates of seconds under load for ten minutes, and the page open in a browser for an hour (PAGE_MINUTES). The last reports of kills and crowd are kept in bench/reports.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"

VAINA_TAG=vaina-test "$ROOT/deploy/build.sh"
cd "$ROOT"
export VAINA_KUBELET_KILLS=${VAINA_KUBELET_KILLS:-100} VAINA_SOAK_REPORTS=bench/reports
# In pieces: VAINA_SOAK_MORE=1 with another VAINA_SEED each adds to the report that is there.
[[ -n ${VAINA_SOAK_MORE:-} ]] || rm -f bench/reports/kubelet_kills.json bench/reports/crowd.json
# The second part takes the cluster of the first down, also when the first has failed.
kills=0
VAINA_KEEP_CLUSTER=1 .venv/bin/python -m pytest tests/cluster/test_kubelet_kills.py -p no:xdist -q "$@" || kills=$?
CERTIFICATE_RENEWALS=${CERTIFICATE_RENEWALS:-100} .venv/bin/python -m pytest tests/component/test_certificates_under_load.py -p no:xdist -q
PAGE_MINUTES=${PAGE_MINUTES:-60} .venv/bin/python -m pytest tests/page/test_open_long.py -n 0 -q -s
.venv/bin/python -m pytest tests/cluster -m soak -p no:xdist -q "$@"
exit "$kills"
