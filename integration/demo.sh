#!/usr/bin/env bash
# The demo: a simulated day of Zeek logs, loaded into a real Elasticsearch in Security Onion's shape, hunted, stored
# and shown. Without Docker and without a JDK it says what it leaves out and hunts in the files. KEEP=1 leaves the server up.
set -euo pipefail
cd "$(dirname "$0")/.."
dwell=bin/dwell
here=${DWELL_TEST_DEMO_DIR:-}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }

simulate() {
  say "1. A day in an office of twenty machines, simulated as Zeek logs; a few of them are compromised (labels.json says which)"
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

if [ -z "$here" ]; then
  here=$(mktemp -d)
  trap 'rm -rf "$here"' EXIT
  export DWELL_TEST_DEMO_DIR=$here
  tools/need-jdk.sh
  simulate
  on_files
  if ! go run ./integration/testnode/cmd/testnode -line 8 -check; then
    say "No Docker and no JDK with Maven here: the part with Elasticsearch (load, install, hunt --write, findings) is left out."
  else
    go run ./integration/testnode/cmd/testnode -line 8 -- "$0"
  fi
  say "Look further"
  echo "  bin/dwell hunt --zeek PATH          your own Zeek logs"
  echo "  bin/dwell help                      all commands, with examples"
  echo "  README.md                           what the numbers mean, and where to read on"
else
  on_cluster
fi
