#!/usr/bin/env bash
# Makes docs/pictures: a simulated week in a real Elasticsearch, hunted every four hours, with a few dispositions, and
# each dashboard's page rendered by chromium, light and dark. Needs Docker or a JDK (like make demo), and chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
dwell=$PWD/bin/dwell
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
  { echo "pictures: chromium is not here; as root on Debian: apt-get install chromium" >&2; exit 1; }

if [ -z "${DWELL_TEST_PICTURES_DIR:-}" ]; then
  DWELL_TEST_PICTURES_DIR=$(mktemp -d)
  trap 'rm -rf "$DWELL_TEST_PICTURES_DIR"' EXIT
  export DWELL_TEST_PICTURES_DIR
  tools/need-jdk.sh
  go run ./integration/testnode/cmd/testnode -line 8 -- "$0"
  exit
fi

here=$DWELL_TEST_PICTURES_DIR
export DWELL_ELASTICSEARCH_ADDRESSES=$DWELL_TEST_ELASTICSEARCH_URL DWELL_ELASTICSEARCH_CA_FILE=${DWELL_TEST_ELASTICSEARCH_CA_FILE:-}
export DWELL_ELASTICSEARCH_USERNAME=$DWELL_TEST_ELASTICSEARCH_USERNAME DWELL_ELASTICSEARCH_PASSWORD=$DWELL_TEST_ELASTICSEARCH_PASSWORD
export DWELL_STATE_DIR=$here/state DWELL_HUNT_SAFELIST=$PWD/integration/pictures/safelist.yaml

# Dispositions have the current time, so the week ends today.
to=$(date -u +%Y-%m-%dT00:00:00Z)
at() { date -u -d "$to $1 hours" +%Y-%m-%dT%H:%M:%SZ; }
$dwell simulate -q --scenario integration/pictures/week.yaml --start "$(at -168)" --out "$here/zeek"
go run ./integration/load/cmd/load "$here/zeek"
$dwell install -q >/dev/null
for ((h = -144; h <= 0; h += 4)); do
  $dwell hunt -q --from "$(at $((h - 24)))" --to "$(at $h)" --write --limit 1 >/dev/null
done

story() { $dwell findings -q --destination "$1" --limit 1 -o ndjson | grep -oE '"finding_id":"[0-9a-f]+"' | head -1 | cut -d'"' -f4; }
$dwell triage -q "$(story api-metrics.example)" --status escalated --who ana --note "Cobalt Strike-like sleep and jitter, case 17"
$dwell triage -q "$(story exfil.example)" --status escalated --who ana --note "names carry data, case 17"
$dwell triage -q "$(story 203.0.113.65)" --status benign --who ben --note "door controller, facilities confirm"

go run ./integration/pictures -filter 'dwell-pair:dwell.subject:10.20.0.45 > cdn-static.example' -filter dwell-host:source.ip:10.20.0.45 \
  -from "$(at -176)" -to "$(at 24)" -out "$here"
mkdir -p docs/pictures
for page in "$here"/dwell-*.html; do
  name=$(basename "$page" .html)
  tall=$(sed -n 's/.*data-height="\([0-9]*\)".*/\1/p' "$page")
  for scheme in light dark; do
    dark=1; [ $scheme = light ] || dark=0
    "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync \
      --user-data-dir="$here/browser" --hide-scrollbars --blink-settings=preferredColorScheme=$dark --window-size="1400,$tall" \
      --screenshot="$here/$name-$scheme.png" "file://$page" 2>"$here/browser.log" || { cat "$here/browser.log" >&2; exit 1; }
    go run ./integration/pictures/shrink "$here/$name-$scheme.png" "docs/pictures/$name-$scheme.png"
  done
done
ls -l docs/pictures
