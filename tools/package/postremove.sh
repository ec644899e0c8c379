#!/bin/sh
# After removal. Configuration, key and state stay: they cannot be had again. The cluster's side goes by dwell install --remove.
set -e
[ -d /run/systemd/system ] && systemctl daemon-reload
case "$1" in
remove | purge | 0)
	echo "dwell: /etc/dwell and /var/lib/dwell stay; delete them when nothing in them is needed"
	;;
esac
