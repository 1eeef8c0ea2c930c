# shellcheck shell=bash
# A cluster for benchmarks: its own, taken away at the end, or the one that COMPOSE_PROJECT_NAME names. Sourced, never run.

# bring_up: sets `address` to where the apiserver listens.
bring_up() {
  if [[ -z ${COMPOSE_PROJECT_NAME:-} ]]; then
    # Free ports, and images of their own: a cluster that runs is not touched.
    export COMPOSE_PROJECT_NAME=vaina-bench VAINA_TAG=vaina-bench
    export VAINA_PORT=0 VAINA_METRICS_PORT=0 VAINA_SCHEDULER_PORT=0 VAINA_SCHEDULER_METRICS_PORT=0
    export VAINA_CONTROLLER_PORT=0 VAINA_CONTROLLER_METRICS_PORT=0
    deploy/build.sh
    say "bench: bringing up a cluster for it"
    trap 'deploy/down.sh' EXIT
    deploy/compose.sh --progress quiet up -d --no-build --wait
  fi
  # shellcheck disable=SC2034  # read by the scripts that source this file
  address=$(deploy/compose.sh port apiserver 6443)
}
