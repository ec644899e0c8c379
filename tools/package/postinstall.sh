#!/bin/sh
# After installation and upgrade. Nothing is started here: that is the administrator's to say (systemctl enable --now).
set -e
systemd-sysusers dwell.conf
systemd-tmpfiles --create dwell.conf
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# A service that runs goes on with the new program; a hunt under way is done again.
	systemctl try-restart dwell-serve.service
fi
