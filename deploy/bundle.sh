#!/usr/bin/env bash
# Writes a folder with all that `make up` fetches (`make bundle`): images, wheels, the compose plugin. A machine
# without the internet then needs an engine and Python alone: `make up BUNDLE=folder` (docs/machines.md). Prometheus' image
# is in it with COMPOSE_PROFILES=monitoring.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

FOLDER=$(cd "$ROOT" && realpath -m "${TO:-bundle}")
TAG=${VAINA_TAG:-latest}
# The Pythons of Debian 12, Ubuntu 24.04, Debian 13 and Ubuntu 26.04: the other machine may have another one than this.
PYTHONS=${BUNDLE_PYTHONS:-3.11 3.12 3.13 3.14}
PYTHON=$ROOT/.venv/bin/python
images=()
for name in "${IMAGES[@]}"; do images+=("vaina-$name:$TAG"); done

"$ROOT/deploy/build.sh"

mkdir -p "$FOLDER/wheels"
lock=$(mktemp)
trap 'rm -f "$lock"' EXIT
for version in $PYTHONS; do
  say "bundle: wheels for Python $version"
  "$PYTHON" "$ROOT/tools/lock_for.py" "$version" <"$ROOT/requirements/dev.txt" >"$lock"
  "$PYTHON" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
    --python-version "$version" --dest "$FOLDER/wheels" -r "$lock"
done
say "bundle: the compose plugin"
install -m 0755 "$("$ROOT/deploy/compose.sh" --which)" "$FOLDER/docker-compose"
say "bundle: the images (about a minute)"
docker save "${images[@]}" | gzip -1 >"$FOLDER/.images.tar.gz"
mv "$FOLDER/.images.tar.gz" "$FOLDER/images.tar.gz"
# What the bundle is of: another checkout, or another sort of machine, is told so.
sources_of_images >"$FOLDER/sources"
echo "$TAG" >"$FOLDER/tag"
echo "${IMAGES[*]}" >"$FOLDER/images"
docker version --format '{{.Server.Arch}}' >"$FOLDER/architecture"
say "bundle: $FOLDER ($(du -sh "$FOLDER" | cut -f1)); there: make up BUNDLE=$(basename "$FOLDER")"
