#!/usr/bin/env bash
# Gives the engine the images of a bundle (`make up BUNDLE=folder`), and the compose plugin to a machine without one.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

# As make was told: relative to the checkout.
FOLDER=$(cd "$ROOT" && realpath -m "$BUNDLE")
TAG=${VAINA_TAG:-latest}

[[ -r $FOLDER/images.tar.gz ]] || fail "BUNDLE: $FOLDER holds no images.tar.gz; \`make bundle\` writes such a folder"
bundled=$(<"$FOLDER/architecture") engine=$(docker version --format '{{.Server.Arch}}')
[[ $bundled == "$engine" ]] || fail "BUNDLE: its images are for $bundled, and this engine runs $engine"
# Bundles of before have no list: they hold these.
held=$(cat "$FOLDER/images" 2>/dev/null || echo "etcd registry control-plane node")
for name in "${IMAGES[@]}"; do
  # One that was built here before will do.
  [[ " $held " == *" $name "* ]] || docker image inspect "vaina-$name:$TAG" >/dev/null 2>&1 ||
    fail "BUNDLE: $FOLDER holds no image of $name; \`COMPOSE_PROFILES=monitoring make bundle\` writes it too"
done
if [[ $(<"$FOLDER/sources") != "$(sources_of_images)" ]]; then
  say "bundle: it was made from other sources than this checkout's; the cluster runs the bundle's"
fi

if ! "$ROOT/deploy/compose.sh" version >/dev/null 2>&1; then
  say "compose: no plugin of 2.20 or newer; taking the bundle's into .tools/bin"
  mkdir -p "$TOOLS/bin"
  install -m 0755 "$FOLDER/docker-compose" "$TOOLS/bin/docker-compose"
fi

tag_of_bundle=$(<"$FOLDER/tag")
# Loading them again would take as long as the first time.
stamp="$(sha256sum <"$FOLDER/sources") $tag_of_bundle $held"
loaded=$TOOLS/bundle.$TAG
all_there() { for name in "${IMAGES[@]}"; do docker image inspect "vaina-$name:$TAG" >/dev/null 2>&1 || return 1; done; }
if all_there && [[ $(cat "$loaded" 2>/dev/null) == "$stamp" ]]; then
  say "images: the bundle's are there"
  exit 0
fi
say "images: loading the bundle's (about a minute)"
docker load --quiet --input "$FOLDER/images.tar.gz" >/dev/null
for name in $held; do
  [[ $tag_of_bundle == "$TAG" ]] || docker tag "vaina-$name:$tag_of_bundle" "vaina-$name:$TAG"
done
mkdir -p "$TOOLS"
echo "$stamp" >"$loaded"
