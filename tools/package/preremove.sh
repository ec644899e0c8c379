#!/bin/sh
# Runs before removal, not before an upgrade (deb: "upgrade"; rpm: 1 package stays).
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now dwell-hunt.timer dwell-serve.service
		systemctl stop dwell-hunt.service
	fi
	;;
esac
