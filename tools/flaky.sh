#!/usr/bin/env bash
# The last line of `make test`: how many tests needed a second try, their names in the lines before.
# What their first tries said stands in .cache/flaky, a file a test (tests/support/first_tries.py).
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
tests=(.cache/flaky/*.txt)
for test in "${tests[@]}"; do
  echo "flaky: $(head -n 1 "$test") ($test)"
done
echo "flaky: ${#tests[@]}"
