#!/usr/bin/env bash
# Makes the images that upstream's conformance tests name, as archives for E2E_IMAGES (docs/conformance.md):
#   build.sh PROGRAMS FOLDER
# PROGRAMS is a folder with agnhost and nnp, upstream's test/images/agnhost and test/images/nonewprivs built with
# CGO_ENABLED=0. The tags are those of Kubernetes 1.37 (test/utils/image/manifest.go).
set -euo pipefail
programs=$(realpath "$1") folder=$(mkdir -p "$2" && realpath "$2")
cd "$(dirname "$0")"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$programs/agnhost" "$programs/nnp" "$context"
for image in agnhost:2.66.1 agnhost:2.55 busybox:1.37.0-2 busybox:1.36.1-1 glibc-dns-testing:2.1.1 kitten:1.8 \
  nautilus:1.8 nginx:1.27.0-2 nginx:1.28.0-2 nonewprivs:1.4 nonroot:1.5 pause:3.10.2; do
  docker build -q -f Dockerfile --target "${image%%:*}" -t "e2e/$image" "$context" >/dev/null
  docker save -o "$folder/${image/:/-}.tar" "e2e/$image"
  echo "$folder/${image/:/-}.tar"
done
