#!/usr/bin/env bash
# Run by run.sh with a test node's address in the environment. It loads a day of Zeek records, boots one machine for the
# package installation and one for Salt, runs the page's blocks in them, and checks the results.
set -euo pipefail
tar -xzf "$INSTALL_WORK"/dist-0.0.1/*-linux-amd64.tar.gz -C "$INSTALL_WORK" --strip-components=1 --wildcards '*/dwell'
"$INSTALL_WORK/dwell" simulate --scenario integration/install/scenario.yaml --start "$(date -u -d '25 hours ago' +%Y-%m-%dT%H:00:00Z)" --out "$INSTALL_WORK/day" --quiet
"${GO:-go}" run ./integration/load/cmd/load "$INSTALL_WORK/day"

# The page's blocks of a kind ("sh", "sh salt"), in order, each ended by "#block". Only the address, the administrator's
# name and the amount of history differ from the page.
blocks() {
	awk -v kind="$1" '$0=="```" kind{on=1;next} /^```/{if(on)print "#block";on=0} on' docs/install.md |
		sed -e "s|https://\$(hostname):9200|$DWELL_TEST_ELASTICSEARCH_URL|" \
			-e "s/=so_elastic /=$DWELL_TEST_ELASTICSEARCH_USERNAME /; s/=so_elastic\$/=$DWELL_TEST_ELASTICSEARCH_USERNAME/" -e 's/--since 30d/--since 2d/'
}

# boot PATH: a clean machine with those parts of a Security Onion manager that the page needs.
boot() {
	local root=$INSTALL_WORK/$1 so=$INSTALL_WORK/$1/opt/so/saltstack
	cp -a --reflink=auto "$INSTALL_MACHINE" "$root"
	mkdir -p "$root/etc/pki" "$root/etc/salt" "$so/default/salt/soc" "$so/default/pillar" "$so/local/salt" "$so/local/pillar/soc" "$root/opt/so/conf/soc" "$root/nsm/rules/custom-local-repos"
	echo '127.0.0.1 localhost' >"$root/etc/hosts" # an installer would have written it
	install -m 0644 "$DWELL_TEST_ELASTICSEARCH_CA_FILE" "$root/etc/pki/ca.crt"
	mkdir -p "$root/opt/so/conf/elasticsearch"
	printf 'user = "so_elastic:%s"\n' "$DWELL_TEST_ELASTICSEARCH_PASSWORD" >"$root/opt/so/conf/elasticsearch/curl.config"
	chroot "$root" useradd -u 939 socore
	# Salt, its two trees, and a state that writes the console's settings like Security Onion's.
	for tool in salt sigma; do cp -a --reflink=auto "$INSTALL_KEPT/$tool/lib/$INSTALL_PYTHON/site-packages" "$root/opt/$tool"; done
	cp "$INSTALL_KEPT/salt/bin/salt-call" "$root/opt/salt/salt-call.py"
	printf '#!/bin/sh\nPYTHONPATH=/opt/salt exec python3 /opt/salt/salt-call.py "$@"\n' >"$root/usr/bin/salt-call"
	chmod 0755 "$root/usr/bin/salt-call"
	cat >"$root/etc/salt/minion" <<-END
		id: manager_standalone
		file_client: local
		use_superseded: [module.run]
		file_roots: {base: [/opt/so/saltstack/local/salt, /opt/so/saltstack/default/salt]}
		pillar_roots: {base: [/opt/so/saltstack/local/pillar, /opt/so/saltstack/default/pillar]}
	END
	printf "base:\n  '*':\n    - soc.soc_soc\n    - soc.adv_soc\n" >"$so/default/pillar/top.sls"
	: >"$so/local/pillar/soc/soc_soc.sls"
	echo '# an administrator'\''s own' >"$so/local/pillar/soc/adv_soc.sls"
	if [ -n "${DWELL_TEST_SOC_DEFAULTS:-}" ]; then
		cp "$DWELL_TEST_SOC_DEFAULTS" "$so/default/salt/soc/defaults.yaml"
	else
		python3 - >"$so/default/salt/soc/defaults.yaml" <<-'END'
			import json
			lists = {w: {"queries": [{"name": "Query %d" % (i % 40), "query": "tags:%d" % i} for i in range(62)]} for w in ("hunt", "dashboards")}
			print(json.dumps({"soc": {"config": {"eventFields": {"default": ["soc_timestamp"]}, "server": {"client": lists}}}}))
		END
	fi
	cat >"$so/default/salt/soc/init.sls" <<-'END'
		{% import_yaml 'soc/defaults.yaml' as D %}
		{% set M = salt['pillar.get']('soc', D.soc, merge=true) %}
		console:
		  file.serialize:
		    - name: /opt/so/conf/soc/soc.json
		    - serializer: json
		    - dataset: {{ {'server': M.config.server, 'eventFields': M.config.eventFields} | json }}
	END
	cp "$INSTALL_WORK"/dist-0.0.1/*_amd64.deb "$INSTALL_WORK"/dist-0.0.1/*-linux-amd64.tar.gz "$root/root/"
	mkdir "$root/root/newer" && cp "$INSTALL_WORK"/dist-0.0.2/*_amd64.deb "$root/root/newer/"
	cp integration/install/*.py integration/install/inside.sh integration/install/"$1".sh "$root/root/"
	blocks sh >"$root/root/blocks.page"
	blocks 'sh salt' >"$root/root/blocks.salt"
	printf 'export DWELL_TEST_ELASTICSEARCH_URL=%q DWELL_TEST_ELASTICSEARCH_USERNAME=%q\n' "$DWELL_TEST_ELASTICSEARCH_URL" "$DWELL_TEST_ELASTICSEARCH_USERNAME" >"$root/root/environment"
	cat >"$root/etc/systemd/system/page.service" <<-UNIT
		[Service]
		Type=oneshot
		StandardOutput=append:/root/out
		StandardError=append:/root/out
		ExecStart=/bin/bash /root/inside.sh $1
		ExecStopPost=/bin/systemctl poweroff --no-block
	UNIT
	ln -s ../page.service "$root/etc/systemd/system/multi-user.target.wants/page.service"
	timeout 1200 systemd-nspawn --register=no --keep-unit --link-journal=no -q -D "$root" -b --console=pipe >"$INSTALL_WORK/console" 2>&1 </dev/null || true
	cat "$root/root/out" || { tail -30 "$INSTALL_WORK/console"; return 1; }
	grep -qx "install-test: $1: passed" "$root/root/out"
	rm -rf "$root"
}
boot page
boot salt
