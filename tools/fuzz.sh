#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time, or number of inputs (5000x), each (default 10s), one after another.
set -euo pipefail
time=${1:-10s}
go list ./... | while read -r package; do
  go test -list '^Fuzz' "$package" | { grep '^Fuzz' || true; } | while read -r target; do
    echo "fuzz $package $target $time"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null
  done
done
