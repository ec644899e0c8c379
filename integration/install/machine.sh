#!/usr/bin/env bash
# Run by run.sh with a test node's address in the environment: boots the machine, carries the page out in it, looks.
set -euo pipefail
root=$INSTALL_WORK/root
cp -a --reflink=auto "$INSTALL_KEPT/debian" "$root"
# Zeek's connections of the last day, in the index that Security Onion has.
tar -xzf "$INSTALL_WORK"/dist/*-linux-amd64.tar.gz -C "$INSTALL_WORK" --strip-components=1 --wildcards '*/dwell'
"$INSTALL_WORK/dwell" simulate --hosts 3 --rate 20 --start "$(date -u -d '25 hours ago' +%Y-%m-%dT%H:00:00Z)" --out "$INSTALL_WORK/day" --quiet
"${GO:-go}" run ./integration/load/cmd/load "$INSTALL_WORK/day"

mkdir -p "$root/etc/pki"
echo '127.0.0.1 localhost' >"$root/etc/hosts" # which an installer would have written
install -m 0644 "$DWELL_TEST_ELASTICSEARCH_CA_FILE" "$root/etc/pki/ca.crt"
install -m 0600 /dev/null "$root/root/so_elastic"
printf '%s\n' "$DWELL_TEST_ELASTICSEARCH_PASSWORD" >"$root/root/so_elastic"
cp "$INSTALL_WORK"/dist/*_amd64.deb "$root/root/"
cp integration/install/kibana.py "$root/root/"
# The page's own blocks, in order; what differs here is the address, the administrator's name, and how much past there is.
awk '/^```sh$/{on=1;next} /^```/{if(on)print "#block";on=0} on' docs/install.md |
	sed -e "s|https://\$(hostname):9200|$DWELL_TEST_ELASTICSEARCH_URL|" -e "s/=so_elastic /=$DWELL_TEST_ELASTICSEARCH_USERNAME /; s/=so_elastic\$/=$DWELL_TEST_ELASTICSEARCH_USERNAME/" \
		-e 's/--since 30d/--since 2d/' >"$root/root/page.sh"
cp integration/install/inside.sh "$root/root/"
cat >"$root/etc/systemd/system/page.service" <<'UNIT'
[Service]
Type=oneshot
StandardOutput=append:/root/out
StandardError=append:/root/out
ExecStart=/bin/bash /root/inside.sh
ExecStopPost=/bin/systemctl poweroff --no-block
UNIT
ln -s ../page.service "$root/etc/systemd/system/multi-user.target.wants/page.service"
timeout 900 systemd-nspawn --register=no --keep-unit --link-journal=no -q -D "$root" -b --console=pipe >"$INSTALL_WORK/console" 2>&1 </dev/null || true
cat "$root/root/out"
grep -qx 'install-test: passed' "$root/root/out"
