#!/usr/bin/env bash
# The tests on a real cluster of Docker-in-Docker nodes (`make test-cluster`). Sees to everything they need:
# an engine, compose, the base image, the images, kubectl, and grpcurl where there is Go.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"

# The tests' own tag (tests/support/cluster.py): a cluster that runs keeps its images.
VAINA_TAG=vaina-test "$ROOT/deploy/build.sh"
"$ROOT/deploy/grpcurl.sh" || say "grpcurl: not here; a client in Python makes the page's calls instead"
# Under CI it must be there. Elsewhere one on PATH will do, as long as its words are those that the tests know.
"$ROOT/deploy/trixie.sh" kubectl || { [[ -z ${CI:-} ]] || exit 1; say "kubectl: not brought; without one on PATH its tests are skipped"; }
# Clients of others: client-go, and Python's libraries.
for brings in interop clients; do
  "$ROOT/deploy/$brings.sh" || { [[ -z ${CI:-} ]] || exit 1; say "$brings: not brought; its tests are skipped"; }
done

cd "$ROOT"
# CI tries once more what failed, and says so (decision 141).
tests() {
  .venv/bin/python -m pytest tests/flow tests/cluster --durations=15 ${CI:+--randomly-seed=1 --reruns 1 -r R} "$@"
}
none=5 # pytest's exit code when there was nothing to run, as with -k
# Most tests keep to a namespace of their own and wait more than they work: two at a time. Then those that kill and stop things of one node:
# on docker nodes, and beside them on the containerd node. The rest goes alone, afterwards, on the same cluster, and takes it down
# (decision 164). A file stays with one process: the examples are applied once.
failed=0 ran=0
# count CODE: what a part of the tests ended with.
count() {
  if (($1 == none)); then return; fi
  ran=1
  if (($1 != 0)); then failed=1; fi
}
code=0
VAINA_KEEP_CLUSTER=1 tests -m "beside_others and not soak" -n 2 --dist loadscope "$@" || code=$?
count $code

other=$(mktemp)
trap 'rm -f "$other"' EXIT
VAINA_KEEP_CLUSTER=1 tests -m "own_node and other_side and not soak" -p no:xdist "$@" >"$other" 2>&1 &
code=0
VAINA_KEEP_CLUSTER=1 tests -m "own_node and not other_side and not soak" -p no:xdist "$@" || code=$?
count $code
code=0
wait $! || code=$?
cat "$other"
count $code

code=0
tests -m "not beside_others and not own_node and not soak" -p no:xdist "$@" || code=$?
count $code
if ((code == none)) && [[ -z ${VAINA_KEEP_CLUSTER:-} ]]; then
  COMPOSE_PROJECT_NAME=${VAINA_TEST_PROJECT:-vaina-test} deploy/down.sh
fi
((failed == 0 && ran == 1))
