#!/usr/bin/env bash
# Lint the .proto files with buf, pinned, out of the npm registry. Without npm: under CI it is installed from the distribution's
# packages, elsewhere the check says that it is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.75.0
if ! command -v npm >/dev/null; then
  if [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null
  else
    echo "buf: skipped, npm is not installed"
    exit 0
  fi
fi
if [ ! -x .tools/buf/node_modules/.bin/buf ]; then
  npm install --silent --no-fund --no-audit --no-save --ignore-scripts=false --prefix .tools/buf "@bufbuild/buf@$version" >/dev/null
fi
.tools/buf/node_modules/.bin/buf lint
