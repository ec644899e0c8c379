#!/usr/bin/env bash
# Runs each fuzz target of the module in turn, for a time or a number of inputs (5000x); the default is 10s.
set -euo pipefail
time=${1:-10s}
go list ./... | while read -r package; do
  go test -list '^Fuzz' "$package" | { grep '^Fuzz' || true; } | while read -r target; do
    echo "fuzz $package $target $time"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null
  done
done
