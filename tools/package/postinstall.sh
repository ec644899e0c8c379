#!/bin/sh
# Runs after installation and upgrade. It starts nothing: the administrator decides (systemctl enable --now).
set -e
systemd-sysusers dwell.conf
systemd-tmpfiles --create dwell.conf
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# A running service continues with the new program; a hunt under way is repeated.
	systemctl try-restart dwell-serve.service
fi
