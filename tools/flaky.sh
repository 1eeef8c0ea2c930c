#!/usr/bin/env bash
# The last line of `make test`: how many tests needed a second try, their names in the lines before.
# What their first tries said stands in .cache/flaky, a file a test (tests/support/first_tries.py). Where they failed, and how, is
# printed too: of a run elsewhere often the end is all that is seen.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
tests=(.cache/flaky/*.txt)
for test in "${tests[@]}"; do
  echo "flaky: $(head -n 1 "$test") ($test)"
  awk '/^> / && !line {line = substr($0, 1, 300); print "flaky: " line} /^E  / && told++ < 2 {print "flaky: " substr($0, 1, 300)}' "$test"
done
echo "flaky: ${#tests[@]}"
