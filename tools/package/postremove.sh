#!/bin/sh
# Runs after removal. Configuration, key and state stay, because they cannot be restored. dwell install --remove removes
# the cluster's objects.
set -e
[ -d /run/systemd/system ] && systemctl daemon-reload
case "$1" in
remove | purge | 0)
	echo "dwell: /etc/dwell and /var/lib/dwell stay; delete them when nothing in them is needed"
	;;
esac
