#!/usr/bin/env bash
# Lint the .proto files with buf, out of the npm registry (pinned); without npm, say so and go on.
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.75.0
if ! command -v npm >/dev/null; then
  echo "buf: skipped, npm is not installed"
  exit 0
fi
if [ ! -x .tools/buf/node_modules/.bin/buf ]; then
  npm install --silent --no-fund --no-audit --no-save --ignore-scripts=false --prefix .tools/buf "@bufbuild/buf@$version" >/dev/null
fi
.tools/buf/node_modules/.bin/buf lint
