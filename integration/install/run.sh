#!/usr/bin/env bash
# Follows docs/install.md on clean Debian 12 machines with real systemd, Salt and Elasticsearch, and checks the result
# of each step. Needs root, systemd-nspawn, debootstrap, rpm and Python 3.11. Everything is removed at the end, except
# downloads in DWELL_INSTALL_ROOT (default: a directory in the user's cache). DWELL_TEST_SOC_DEFAULTS names Security
# Onion's salt/soc/defaults.yaml; without it the file is downloaded, or a list of its shape is made.
set -euo pipefail
cd "$(dirname "$0")/../.."
export GO=${GO:-go}
began=$SECONDS
step() { echo "install-test: $((SECONDS - began)) s: $*"; }
[ "$(id -u)" = 0 ] || { echo "install-test: needs root, for systemd-nspawn boots a machine"; exit 2; }
for need in systemd-nspawn debootstrap rpm python3; do
	command -v "$need" >/dev/null || { echo "install-test: $need is missing (Debian: apt-get install systemd-container debootstrap rpm python3-venv)"; exit 2; }
done
kept=${DWELL_INSTALL_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/dwell/install}
mkdir -p "$kept"
machine=$kept/debian-2
if [ ! -e "$machine/ready" ]; then
	step "a clean Debian 12, once, in $kept"
	rm -rf "$machine"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,curl,git,python3 bookworm "$machine" >"$kept/debootstrap.log"
	touch "$machine/ready"
fi
# Salt and pySigma are installed by this host's Python and used by the booted one's, so the versions must match.
python=$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
[ -e "$machine/usr/bin/$python" ] || { echo "install-test: this machine's Python is $python, Debian 12's is not"; exit 2; }
for tool in 'salt:salt<3007' 'sigma:pysigma<2 pysigma-backend-elasticsearch<3'; do
	venv=$kept/${tool%%:*}
	[ -e "$venv/ready" ] && continue
	step "${tool#*:} from the package index, once, in $kept"
	python3 -m venv "$venv"
	# shellcheck disable=SC2086
	(set -f; "$venv/bin/pip" install -q ${tool#*:})
	touch "$venv/ready"
done
work=$(mktemp -d /var/tmp/dwell-install.XXXXXX)
trap 'rm -rf "$work"' EXIT
defaults=${DWELL_TEST_SOC_DEFAULTS:-$kept/soc-defaults.yaml}
if [ ! -s "$defaults" ]; then
	curl -fsSLo "$defaults" --max-time 60 https://raw.githubusercontent.com/Security-Onion-Solutions/securityonion/2.4/main/salt/soc/defaults.yaml || defaults=
fi
if [ -n "$defaults" ]; then
	export DWELL_TEST_SOC_DEFAULTS=$defaults
else
	echo "install-test: NOTE: Security Onion's defaults.yaml cannot be had here (DWELL_TEST_SOC_DEFAULTS): a list of its shape stands in for it"
fi

step "two versions of the packages"
for version in 0.0.1 0.0.2; do
	DIST=$work/dist-$version DIST_VERSION=$version DIST_TARGETS=linux-amd64 tools/dist.sh >"$work/dist.log" 2>&1 || { cat "$work/dist.log"; exit 1; }
done
step "the .rpm, by rpm: installed, upgraded, removed in a root of its own"
integration/install/rpm.sh "$work" "$machine"
step "Salt's side: Security Onion's lists, the state"
DWELL_TEST_SALT=$kept/salt/bin $GO test -count=1 -timeout 20m ./so-config -run 'Console|Helper|Salt'
step "the page, on two clean machines"
INSTALL_WORK=$work INSTALL_KEPT=$kept INSTALL_MACHINE=$machine INSTALL_PYTHON=$python \
	$GO run ./integration/testnode/cmd/testnode -line 8 -- integration/install/machine.sh
step passed
