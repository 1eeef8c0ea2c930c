#!/usr/bin/env bash
# Upstream's own conformance tests against a cluster that runs (`make conformance`, docs/conformance.md):
#   E2E_TEST=path       the binary e2e.test of Kubernetes 1.37
#   E2E_IMAGES=folder   archives (docker save) of the images that the tests name, put into the cluster's registry; or
#   E2E_REGISTRY=name   where the nodes pull them from: names begin with it instead of registry.k8s.io/e2e-test-images
#   FOCUS=, SKIP=       regular expressions over the names of tests
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"

PROJECT=${COMPOSE_PROJECT_NAME:-vaina}
export VAINA_CERT_DIR=${VAINA_CERT_DIR:-$ROOT/deploy/admin/$PROJECT}
REPORTS=$ROOT/.cache/conformance
PUSH=127.0.0.1:${VAINA_PUSH_PORT:-5001}
#: names of images in the cluster's registry begin with it
NAMES=e2e

[[ -x ${E2E_TEST:-} ]] || fail "E2E_TEST: the path of Kubernetes' e2e.test (no package registry offers it)"
[[ -r $VAINA_CERT_DIR/tls.crt ]] || fail "there is no cluster of project $PROJECT: \`make up\` brings one up"
mkdir -p "$REPORTS"
# The tests do not look for files beside a kubeconfig: it has the administrator's key in it.
export KUBECONFIG=$REPORTS/kubeconfig
rm -f "$KUBECONFIG" "$REPORTS/report.json"
install -m 600 /dev/null "$KUBECONFIG"
"$ROOT/.venv/bin/python" -m cli kubeconfig --address "https://127.0.0.1:${VAINA_REST_PORT:-6445}" >"$KUBECONFIG"

if [[ -n ${E2E_IMAGES:-} ]]; then
  # Whoever is on this machine may push while it runs.
  trap '"$ROOT/deploy/compose.sh" rm -sf registry-push' EXIT
  "$ROOT/deploy/compose.sh" up -d --no-build --wait registry-push
  for archive in "$E2E_IMAGES"/*.tar; do
    docker load -q -i "$archive" | sed -n 's/^Loaded image: //p' | while read -r image; do
      docker tag "$image" "$PUSH/$NAMES/${image##*/}"
      docker push -q "$PUSH/$NAMES/${image##*/}"
      docker rmi -f "$PUSH/$NAMES/${image##*/}" >/dev/null
    done
  done
  "$ROOT/deploy/compose.sh" rm -sf registry-push
  trap - EXIT
fi
registry=${E2E_REGISTRY:-$NAMES}
for name in promoterE2eRegistry gcRegistry gcEtcdRegistry sigStorageRegistry buildImageRegistry; do
  printf '%s: %s\n' "$name" "$registry"
done >"$REPORTS/repositories.yaml"

code=0
# What a test waits for in vain it waits for for minutes, and most wait more than they work.
KUBE_TEST_REPO_LIST=$REPORTS/repositories.yaml "$E2E_TEST" --kubeconfig "$KUBECONFIG" --provider skeleton \
  --ginkgo.focus "${FOCUS:-\[Conformance\]}" --ginkgo.skip "${SKIP:-}" --ginkgo.timeout "${TIMEOUT:-3h}" --ginkgo.no-color \
  --ginkgo.json-report "$REPORTS/report.json" --disable-log-dump --num-nodes 2 >"$REPORTS/e2e.log" 2>&1 || code=$?
[[ -r $REPORTS/report.json ]] || fail "there is no report: see $REPORTS/e2e.log"
"$ROOT/.venv/bin/python" "$ROOT/tools/conformance.py" "$REPORTS/report.json" || exit
exit "$code"
