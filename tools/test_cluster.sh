#!/usr/bin/env bash
# The tests on a real cluster of Docker-in-Docker nodes (`make test-cluster`). Sees to everything they need:
# an engine, compose, the base image, the images, and grpcurl where there is Go.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"

# The tests' own tag (tests/support/cluster.py): a cluster that runs keeps its images.
VAINA_TAG=vaina-test "$ROOT/deploy/build.sh"
"$ROOT/deploy/grpcurl.sh" || say "grpcurl: not here; a client in Python makes the page's calls instead"

cd "$ROOT"
# One cluster for all tests, so one process; the tests that wait longest are not many. CI tries once more what failed,
# and says so (decision 141).
exec .venv/bin/python -m pytest tests/flow tests/cluster -p no:xdist --durations=15 ${CI:+--randomly-seed=1 --reruns 1 -r R} "$@"
