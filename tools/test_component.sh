#!/usr/bin/env bash
# Tests with a real etcd: fetches the binary where it is missing, then runs every test that is marked `component`.
set -euo pipefail
cd "$(dirname "$0")/.."
# Debian 12's own etcd is 3.4: too old.
etcd --version 2>/dev/null | grep -qE 'etcd Version: 3\.(5\.([3-9]|[1-9][0-9])|[6-9])' || bash deploy/trixie.sh etcd
# For tests of the REST API's streams.
bash deploy/trixie.sh kubectl || { [[ -z ${CI:-} ]] || exit 1; echo "kubectl: not brought; without one on PATH its tests are skipped" >&2; }
# Kubernetes' own types, for the tests that hold us to them. Under CI they must be there.
bash deploy/interop.sh || { [[ -z ${CI:-} ]] || exit 1; echo "interop: not built; its tests are skipped" >&2; }
# Python's client libraries, likewise.
bash deploy/clients.sh || { [[ -z ${CI:-} ]] || exit 1; echo "clients: not installed; their tests are skipped" >&2; }
# For the tests of the page in a browser. Likewise.
bash deploy/chromium.sh || { [[ -z ${CI:-} ]] || exit 1; echo "chromium: not brought; tests in a browser are skipped" >&2; }
# What the page is looked at with as a screen reader sees it. Likewise.
bash deploy/axe.sh || { [[ -z ${CI:-} ]] || exit 1; echo "axe: not brought; its test is skipped" >&2; }
# One commit in ten is tried with all accelerators off (docs/fast-paths.md). Which, its name says, so that a run can be repeated.
commit=$(git rev-parse HEAD 2>/dev/null || echo 0001)
if [[ -z ${VAINA_FAST_PATHS:-} && $((16#${commit: -4} % 10)) == 0 ]]; then
  echo "component: this commit is tried with --fast-paths=none"
  export VAINA_FAST_PATHS=none
fi
# Three at a time on two cores: they wait for processes more than they work.
# Real processes on a machine that does other things as well: CI tries once more what failed, and says so (decision 141).
exec .venv/bin/python -m pytest tests/component tests/conformance tests/page -m component -n 3 --dist loadgroup -q \
  ${CI:+--randomly-seed=1 --reruns 1 -r R} "$@"
