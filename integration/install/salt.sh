# Checks of the Salt installation: its blocks, with step 3 of the page (the cluster, by an administrator) where it says
# so.
export PATH=$PATH:/root
look() {
	[ "$1" = after ] || return 0
	case $block in
	*'install --print'*)
		owned /etc/dwell "root:dwell 750"
		systemctl is-enabled -q dwell-hunt.timer 2>/dev/null && fail "the state starts a hunt before there is a key"
		awk '/^#block/{if(b~/--create-key \/etc\/dwell\/api_key/)printf "%s",b;b="";next}{b=b $0 "\n"}' blocks.page >step3
		[ -s step3 ] || fail "the page has no step 3"
		bash -euo pipefail step3 || fail "step 3 of the page"
		;;
	*'state.apply dwell'*)
		owned /etc/dwell/config.yaml "root:dwell 640"
		owned /etc/dwell/api_key "root:dwell 640"
		systemctl is-active -q dwell-hunt.timer || fail "the timer does not run"
		systemctl start dwell-hunt.service || fail "a hunt"
		grep finding_id <<<"$(dwell findings -o ndjson)" >/dev/null || fail "the hunt found nothing"
		applied serve "sed -i 's/mode: timer/mode: serve/' /opt/so/saltstack/local/salt/dwell/settings.yaml" dwell-serve.service
		applied again true dwell-serve.service
		[ "$changes" = 0 ] || fail "the state applied twice changes $changes states"
		;;
	esac
	return 0
}
# applied NAME COMMAND UNIT: applies the state after a command; UNIT must run, and $changes states must have changed
# something.
applied() {
	eval "$2"
	salt-call -l error --out=json state.apply dwell >"$1.json" || fail "state.apply dwell ($1): $(cat "$1.json")"
	changes=$(python3 - "$1.json" <<-'END'
		import json, sys
		states = json.load(open(sys.argv[1]))["local"]
		wrong = {k: v["comment"] for k, v in states.items() if not v["result"]}
		if wrong:
		    sys.exit("states that failed: %s" % wrong)
		print(sum(bool(v["changes"]) for v in states.values()))
	END
	) || fail "state.apply dwell ($1)"
	systemctl is-active -q "$3" || fail "after $1, $3 does not run"
	echo "== salt: $1: $changes states changed"
}
each blocks.salt look
applied disabled "sed -i 's/enabled: True/enabled: False/' /opt/so/saltstack/local/salt/dwell/settings.yaml" dbus.service
systemctl is-active -q dwell-serve.service && fail "enabled: False leaves the service running"
