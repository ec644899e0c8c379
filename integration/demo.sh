#!/usr/bin/env bash
# The demo: a simulated day of Zeek logs, loaded into a real Elasticsearch as Security Onion stores them, hunted, stored
# and shown. Without Docker or a JDK it hunts in the files and says what it skips. KEEP=1 keeps the server running until
# Ctrl-C and prints how to use it from another terminal (docs/tour.md).
set -euo pipefail
cd "$(dirname "$0")/.."
dwell=bin/dwell
here=${DWELL_TEST_DEMO_DIR:-}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }

simulate() {
  say "1. A day in an office of twenty hosts, simulated as Zeek logs; a few of them are compromised (labels.json says which)"
  run $dwell simulate --scenario integration/testdata/demo.yaml --out "$here/zeek"
}

on_files() {
  say "2. Hunt in the files, no cluster needed"
  run $dwell hunt --zeek "$here/zeek" --limit 14 -o table
}

on_cluster() {
  export DWELL_ELASTICSEARCH_ADDRESSES=$DWELL_TEST_ELASTICSEARCH_URL DWELL_ELASTICSEARCH_CA_FILE=${DWELL_TEST_ELASTICSEARCH_CA_FILE:-}
  say "3. Load the day into Elasticsearch as Security Onion stores it"
  run go run ./integration/load/cmd/load "$here/zeek"
  say "4. Install dwell's templates, and make a key that may do what dwell does and nothing else (as an administrator, once)"
  DWELL_ELASTICSEARCH_USERNAME=$DWELL_TEST_ELASTICSEARCH_USERNAME DWELL_ELASTICSEARCH_PASSWORD=$DWELL_TEST_ELASTICSEARCH_PASSWORD \
    run $dwell install --create-key "$here/api_key"
  export DWELL_ELASTICSEARCH_API_KEY_FILE=$here/api_key
  say "5. Is everything in place? (the data of the demo are of one day in March, so their age is a warning)"
  run $dwell check || true
  say "6. Hunt in the cluster with that key, and store the findings"
  from=$(sed -n 's/.*"start": *"\([^"]*\)".*/\1/p' "$here/zeek/labels.json" | head -1)
  to=$(sed -n 's/.*"end": *"\([^"]*\)".*/\1/p' "$here/zeek/labels.json" | head -1)
  run $dwell hunt --from "$from" --to "$to" --write --limit 14 -o table
  say "7. What was stored, out of the index: high and critical"
  run $dwell findings --severity high -o table
  say "8. One of them on one screen: every reason, the day, the intervals, ready queries"
  run $dwell show "$($dwell findings -q --severity high --indicator beacon --limit 1 -o wide | awk 'NR==2' | grep -oE '[0-9a-f]{32}' | head -1)"
}

# keep writes and prints what another terminal needs, and waits for Ctrl-C.
keep() {
  echo 'rules: []' >"$here/safelist.yaml"
  {
    printf 'export DWELL_ELASTICSEARCH_ADDRESSES=%q DWELL_ELASTICSEARCH_CA_FILE=%q\n' "$DWELL_ELASTICSEARCH_ADDRESSES" "$DWELL_ELASTICSEARCH_CA_FILE"
    printf 'export DWELL_ELASTICSEARCH_API_KEY_FILE=%q DWELL_STATE_DIR=%q DWELL_HUNT_SAFELIST=%q\n' "$here/api_key" "$here/state" "$here/safelist.yaml"
    printf 'export DEMO=%q PATH=%q:$PATH\n' "$here" "$PWD/bin"
  } >"$here/env"
  {
    printf 'unset DWELL_ELASTICSEARCH_API_KEY_FILE\n'
    printf 'export DWELL_ELASTICSEARCH_USERNAME=%q DWELL_ELASTICSEARCH_PASSWORD=%q\n' "$DWELL_TEST_ELASTICSEARCH_USERNAME" "$DWELL_TEST_ELASTICSEARCH_PASSWORD"
  } >"$here/admin"
  say "The server stays up at $DWELL_ELASTICSEARCH_ADDRESSES. Ctrl-C here stops it and leaves nothing behind"
  echo "In another terminal:"
  echo "  . $here/env        address, CA file and key file for bin/dwell; \$DEMO is the directory, \$DEMO/zeek the logs:"
  sed 's/^/      /' "$here/env"
  echo "  . $here/admin      after it, for dwell install: the administrator ($DWELL_TEST_ELASTICSEARCH_USERNAME) instead of the key"
  echo "docs/tour.md goes on from here."
  trap 'touch "$here/stopped"; kill $waiting; exit 0' INT TERM
  sleep infinity &
  waiting=$!
  wait $waiting
}

if [ -z "$here" ]; then
  umask 077
  here=$(mktemp -d)
  trap 'rm -rf "$here"' EXIT
  trap : INT TERM
  export DWELL_TEST_DEMO_DIR=$here DWELL_STATE_DIR=$here/state
  tools/need-jdk.sh
  simulate
  on_files
  if ! go run ./integration/testnode/cmd/testnode -line 8 -check; then
    say "No Docker and no JDK with Maven here: the part with Elasticsearch (load, install, hunt --write, findings) is left out."
    [ -z "${KEEP:-}" ] || echo "KEEP=1 has no server to keep."
  else
    go run ./integration/testnode/cmd/testnode -line 8 -- "$0" || [ -e "$here/stopped" ]
  fi
  [ ! -e "$here/stopped" ] || exit 0
  say "Look further"
  echo "  bin/dwell hunt --zeek PATH          your own Zeek logs"
  echo "  bin/dwell help                      all commands, with examples"
  echo "  README.md                           what the numbers mean, and where to read on"
else
  on_cluster
  [ -z "${KEEP:-}" ] || keep
fi
