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
# CI tries once more what failed, and says so (decision 141).
tests() {
  .venv/bin/python -m pytest tests/flow tests/cluster --durations=15 ${CI:+--randomly-seed=1 --reruns 1 -r R} "$@"
}
none=5 # pytest's exit code when there was nothing to run, as with -k
# Most tests keep to a namespace of their own and wait more than they work: two at a time. Those that kill, stop and count go
# alone, afterwards, on the same cluster, and take it down (decision 164). A file stays with one process: the examples are applied once.
beside=0 alone=0
VAINA_KEEP_CLUSTER=1 tests -m "beside_others and not soak" -n 2 --dist loadscope "$@" || beside=$?
tests -m "not beside_others and not soak" -p no:xdist "$@" || alone=$?
if ((alone == none)) && [[ -z ${VAINA_KEEP_CLUSTER:-} ]]; then
  COMPOSE_PROJECT_NAME=${VAINA_TEST_PROJECT:-vaina-test} deploy/down.sh
fi
((beside == 0 || beside == none)) && ((alone == 0 || alone == none)) && ((beside != none || alone != none))
