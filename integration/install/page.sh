# Checks before and after each block of the package installation, selected by the block's text.
administrator() { DWELL_ELASTICSEARCH_USERNAME=$DWELL_TEST_ELASTICSEARCH_USERNAME DWELL_ELASTICSEARCH_PASSWORD_FILE=/root/so_elastic "$@"; }
analyst() { su - ana -c "$*"; }
seen=
look() {
	case $1:$block in
	before:*'apt-get install -y ./dwell'*'is-active'*)
		mv dwell_*.deb older.deb && cp newer/*.deb .
		before=$(administrator dwell findings -o ndjson | wc -l)
		;;
	before:*'--allow-downgrades'*) rm dwell_*.deb && mv older.deb dwell_0.0.1_amd64.deb ;;
	before:*'dwell-soc-queries'*)
		salt-call -l error state.apply soc >/dev/null || fail "the stand-in for Security Onion's state"
		cp /opt/so/conf/soc/soc.json soc-before.json
		cp /opt/so/saltstack/local/pillar/soc/adv_soc.sls adv-before
		;;
	before:*'install --remove --yes'*)
		# On a terminal it asks, and "n" changes nothing.
		answer=$(printf 'n\n' | administrator script -qec 'dwell install --remove' /dev/null)
		grep -F 'Do this? [y/N]' <<<"$answer" >/dev/null || fail "--remove does not ask on a terminal: $answer"
		grep -E '^create' <<<"$(administrator dwell install --dry-run)" && fail "--remove took something out though the answer was n"
		;;
	esac
	[ "$1" = after ] || return 0
	case $block in
	*'apt-get install -y ./dwell'*'is-active'*)
		seen+=" upgrade"
		[[ "$(dwell --version)" = *0.0.2* ]] || fail "the upgrade left the older program"
		systemctl is-active -q dwell-serve || fail "the service does not run after the upgrade"
		[ -s /etc/dwell/api_key ] && [ -s /etc/dwell/config.yaml ] || fail "the upgrade lost the configuration"
		[ "$(administrator dwell findings -o ndjson | wc -l)" -ge "$before" ] || fail "the upgrade lost findings"
		;;
	*'--allow-downgrades'*)
		seen+=" rollback"
		[[ "$(dwell --version)" = *0.0.1* ]] || fail "the rollback left the newer program"
		systemctl start dwell-hunt.service || fail "a hunt after the rollback"
		;;
	*'apt-get install -y ./dwell'*)
		seen+=" install"
		owned /etc/dwell "root:dwell 750"
		[ "$(readlink -f /usr/sbin/so-dwell)" = /usr/sbin/dwell ] || fail "so-dwell is no link to dwell"
		# Without a configuration and a key, the unit fails with a clear message instead of systemd's status number.
		systemctl start dwell-hunt.service && fail "a hunt without configuration passed"
		journalctl -o cat -t dwell | grep 'read configuration' >/dev/null || fail "the journal does not say that the configuration is missing"
		;;
	*'/etc/dwell/config.yaml <<END'*)
		seen+=" settings"
		systemctl start dwell-hunt.service && fail "a hunt without a key passed"
		journalctl -o cat -t dwell | grep 'dwell install --create-key /etc/dwell/api_key' >/dev/null || fail "the journal does not say how to make a key"
		;;
	*'--create-key /etc/dwell/api_key'*)
		seen+=" cluster"
		owned /etc/dwell/api_key "root:dwell 640"
		# Before the first hunt, Kibana has every field of every panel.
		python3 objects.py imported.ndjson fields || fail "Kibana's objects"
		# A second installation changes nothing.
		again=$(administrator dwell install --dry-run)
		grep -E '^(create|upgrade)' <<<"$again" && fail "a second dwell install would change something"
		;;
	*'dwell check'*)
		seen+=" check"
		grep -i 'suricata\|detections' <<<"$(dwell check 2>&1)" && fail "dwell check complains of alerts that the key was not made for"
		;;
	*'dwell-hunt.timer'*'dwell status'*)
		seen+=" timer"
		systemctl is-active -q dwell-hunt.timer || fail "the timer does not run"
		grep finding_id <<<"$(dwell findings -o ndjson)" >/dev/null || fail "the timer's hunt found nothing"
		;;
	*'dwell-serve.service'*)
		seen+=" service"
		systemctl is-active -q dwell-serve || fail "the service does not run"
		systemctl is-active -q dwell-hunt.timer && fail "the timer runs beside the service"
		;;
	*'dwell-soc-queries'*)
		seen+=" queries"
		python3 - <<-'END' || fail "queries of Security Onion were lost"
			import json
			client = lambda f: json.load(open(f))["server"]["client"]
			before, after = client("soc-before.json"), client("/opt/so/conf/soc/soc.json")
			for where in ("hunt", "dashboards"):
			    was, now = before[where]["queries"], after[where]["queries"]
			    print(where, len(was), "queries before,", len(now), "after")
			    assert now[:len(was)] == was and len(now) > len(was)
			    assert all(q["name"].startswith("dwell - ") for q in now[len(was):])
		END
		dwell-files/soc/dwell-soc-queries --remove || fail "the queries cannot be taken out"
		cmp adv-before /opt/so/saltstack/local/pillar/soc/adv_soc.sls || fail "adv_soc.sls is not what it was, byte for byte"
		;;
	*'custom-local-repos'*)
		seen+=" playbooks"
		for repository in dwell-sigma dwell-playbooks; do
			[ "$(git -c safe.directory="*" -C /nsm/rules/custom-local-repos/$repository ls-files | wc -l)" = 7 ] || fail "$repository does not have seven files"
		done
		PYTHONPATH=/opt/sigma python3 playbooks.py dwell-files/soc || fail "the playbooks"
		;;
	*'--for analyst'*)
		seen+=" analyst"
		useradd -m ana
		home=$(getent passwd ana | cut -d: -f6)
		install -d -o ana -g ana "$home/.config" "$home/.config/dwell"
		install -m 0600 -o ana -g ana ana.key "$home/.config/dwell/key"
		sed "s|/etc/dwell/api_key|$home/.config/dwell/key|; /^state/,\$d" /etc/dwell/config.yaml >"$home/.config/dwell/config.yaml"
		chmod 0644 "$home/.config/dwell/config.yaml"
		analyst cat /etc/dwell/api_key >/dev/null 2>&1 && fail "an analyst reads the service's key"
		id=$(analyst /usr/sbin/dwell findings -o ndjson | grep -o '"finding_id":"[0-9a-f]*"' | head -1 | cut -d'"' -f4)
		[ -n "$id" ] || fail "an analyst sees no findings"
		analyst /usr/sbin/dwell triage "$id" --status benign --note test || fail "an analyst records no disposition"
		analyst /usr/sbin/dwell hunt --quiet -o ndjson | grep finding_id >/dev/null || fail "an analyst cannot hunt"
		analyst /usr/sbin/dwell hunt --write --quiet && fail "an analyst's key writes hunts"
		# A new key works without a restart.
		administrator dwell install --create-key /etc/dwell/new_key >/dev/null || fail "no second key"
		mv /etc/dwell/new_key /etc/dwell/api_key
		systemctl start dwell-hunt.service || fail "a hunt with the new key"
		;;
	*'apt-get remove'*)
		seen+=" remove"
		[ -e /usr/sbin/dwell ] && fail "the program is still there"
		systemctl is-active -q dwell-serve && fail "the service still runs"
		[ -s /etc/dwell/config.yaml ] && [ -d /var/lib/dwell ] || fail "removal lost configuration or state"
		;;
	esac
	return 0
}
each blocks.page look
for want in install settings cluster check timer service queries playbooks analyst upgrade rollback remove; do
	[[ " $seen " = *" $want "* ]] || fail "the page has no step $want any more: say in integration/install/page.sh what stands for it"
done
