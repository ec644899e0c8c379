#!/usr/bin/env bash
# Follows docs/install.md on a clean Debian 12 with a real systemd and a real Elasticsearch, and checks what each step must
# have done. Needs root, systemd-nspawn, debootstrap and python3-venv; takes some minutes. Everything is removed at the end.
# DWELL_INSTALL_ROOT keeps the downloaded system between runs (default: a directory in the cache of the user).
set -euo pipefail
cd "$(dirname "$0")/../.."
GO=${GO:-go}
[ "$(id -u)" = 0 ] || { echo "install-test: needs root, for systemd-nspawn boots a machine"; exit 2; }
for need in systemd-nspawn debootstrap python3; do
	command -v "$need" >/dev/null || { echo "install-test: $need is missing (Debian: apt-get install systemd-container debootstrap python3-venv)"; exit 2; }
done
kept=${DWELL_INSTALL_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/dwell/install}
if [ ! -e "$kept/debian/ready" ]; then
	echo "install-test: a clean Debian 12, once, in $kept"
	rm -rf "$kept/debian"
	mkdir -p "$kept"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,curl,python3 bookworm "$kept/debian" >"$kept/debootstrap.log"
	touch "$kept/debian/ready"
fi
if [ ! -x "$kept/salt/bin/salt-call" ]; then
	echo "install-test: Salt, once, in $kept"
	python3 -m venv "$kept/salt"
	"$kept/salt/bin/pip" install -q 'salt<3007'
fi
work=$(mktemp -d /var/tmp/dwell-install.XXXXXX)
trap 'rm -rf "$work"' EXIT
DIST=$work/dist DIST_TARGETS=linux-amd64 tools/dist.sh >"$work/dist.log" 2>&1 || { cat "$work/dist.log"; exit 1; }
rpm_check() { # the .rpm by rpm itself: its files, scripts and dependencies can be read and its digests hold
	command -v rpm >/dev/null || { echo "install-test: rpm is not here: the .rpm was not checked"; return; }
	rpm -K --nosignature "$work"/dist/*.x86_64.rpm
	grep -qx /usr/sbin/so-dwell <<<"$(rpm -qpl "$work"/dist/*.x86_64.rpm)"
	grep -q systemd-sysusers <<<"$(rpm -qp --scripts "$work"/dist/*.x86_64.rpm)"
}
rpm_check
echo "install-test: Salt's side"
DWELL_TEST_SALT=$kept/salt/bin $GO test -count=1 -timeout 20m ./so-config -run 'Console|Helper|Salt'
echo "install-test: the page, on a clean machine"
INSTALL_WORK=$work INSTALL_KEPT=$kept $GO run ./integration/testnode/cmd/testnode -line 8 -- integration/install/machine.sh
