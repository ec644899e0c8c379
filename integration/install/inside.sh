# Run inside the machine: each block of the page in a shell of its own that stops at the first error, a look after some.
set -u
cd /root
export HOME=/root DEBIAN_FRONTEND=noninteractive
python3 kibana.py &
fail() {
	echo "install-test: FAILED: $1"
	journalctl -o cat -t dwell --no-pager | tail -30
	exit 1
}
n=0
block=
while IFS= read -r line; do
	if [ "$line" != "#block" ]; then
		block+=$line$'\n'
		continue
	fi
	n=$((n + 1))
	echo "== block $n"
	bash -euo pipefail -c "$block" || fail "block $n: $block"
	block=
	case $n in
	1)
		[ "$(stat -c '%U:%G %a' /etc/dwell)" = "root:dwell 750" ] || fail "/etc/dwell is $(stat -c '%U:%G %a' /etc/dwell)"
		[ "$(readlink -f /usr/sbin/so-dwell)" = /usr/sbin/dwell ] || fail "so-dwell is no link to dwell"
		# Before there is a configuration and a key, the unit fails with words and not with a number of systemd's.
		systemctl start dwell-hunt.service && fail "a hunt without configuration passed"
		journalctl -o cat -t dwell | grep -q 'read configuration' || fail "the journal does not say that the configuration is missing"
		;;
	2)
		systemctl start dwell-hunt.service && fail "a hunt without a key passed"
		journalctl -o cat -t dwell | grep -q 'dwell install --create-key /etc/dwell/api_key' || fail "the journal does not say how to make a key"
		;;
	3) [ "$(stat -c '%U:%G %a' /etc/dwell/api_key)" = "root:dwell 640" ] || fail "the key is $(stat -c '%U:%G %a' /etc/dwell/api_key)" ;;
	6)
		systemctl is-active -q dwell-hunt.timer || fail "the timer does not run"
		dwell findings -o ndjson | grep -q finding_id || fail "the timer's hunt found nothing"
		;;
	7)
		systemctl is-active -q dwell-serve || fail "the service does not run"
		systemctl is-active -q dwell-hunt.timer && fail "the timer runs beside the service"
		;;
	8)
		id ana >/dev/null 2>&1 || useradd -m ana
		mkdir -p /home/ana/.config/dwell
		cp ana.key /home/ana/.config/dwell/key
		sed 's|/etc/dwell/api_key|/home/ana/.config/dwell/key|; /^state/,$d' /etc/dwell/config.yaml >/home/ana/.config/dwell/config.yaml
		chown -R ana: /home/ana/.config
		su - ana -c 'cat /etc/dwell/api_key' >/dev/null 2>&1 && fail "an analyst reads the service's key"
		su - ana -c '/usr/sbin/dwell findings -o ndjson' | grep -q finding_id || fail "an analyst sees no findings"
		id=$(su - ana -c '/usr/sbin/dwell findings -o ndjson' | grep -o '"finding_id":"[0-9a-f]*"' | head -1 | cut -d'"' -f4)
		su - ana -c "/usr/sbin/dwell triage $id --status benign --note test" || fail "an analyst records no disposition"
		# A new key counts without a restart.
		DWELL_ELASTICSEARCH_USERNAME=$(sed -n 's/.*DWELL_ELASTICSEARCH_USERNAME=\([^ ]*\).*/\1/p' page.sh | head -1) DWELL_ELASTICSEARCH_PASSWORD_FILE=/root/so_elastic dwell install --create-key /etc/dwell/new_key >/dev/null || fail "no second key"
		mv /etc/dwell/new_key /etc/dwell/api_key
		systemctl start dwell-hunt.service || fail "a hunt with the new key"
		;;
	9)
		systemctl is-active -q dwell-serve || fail "the service does not run after the upgrade"
		[ -s /etc/dwell/api_key ] && [ -s /etc/dwell/config.yaml ] || fail "the upgrade lost the configuration"
		;;
	10)
		[ -e /usr/sbin/dwell ] && fail "the program is still there"
		systemctl is-active -q dwell-serve && fail "the service still runs"
		[ -s /etc/dwell/config.yaml ] && [ -d /var/lib/dwell ] || fail "removal lost configuration or state"
		;;
	esac
done <page.sh
[ "$n" = 10 ] || fail "the page has $n blocks: say in inside.sh what each must have done"
echo "install-test: passed"
