#!/usr/bin/env bash
# rpm.sh WORK MACHINE: checks the .rpm with rpm, and its scripts at installation, upgrade and removal. dnf is not
# available on Debian, so rpm is used. Dependencies are not checked, because the root has no other rpms.
set -euo pipefail
work=$1 root=$1/rpm
old=("$work"/dist-0.0.1/*.x86_64.rpm) new=("$work"/dist-0.0.2/*.x86_64.rpm)
for file in "${old[@]}" "${new[@]}"; do rpm -K --nosignature "$file"; done
grep -q 'systemd >= 247' <<<"$(rpm -qpR "${new[@]}")"
cp -a --reflink=auto "$2" "$root"
mount -t proc proc "$root/proc" # systemd-tmpfiles needs it
trap 'umount "$root/proc"' EXIT
in_root() { rpm --root="$root" --force-debian --nodeps "$@"; }
fail() { echo "install-test: FAILED: rpm: $1"; exit 1; }
in_root -i "${old[@]}"
[ "$(readlink "$root/usr/sbin/so-dwell")" = dwell ] || fail "so-dwell is no link to dwell"
[ "$(chroot "$root" stat -c '%U:%G %a' /etc/dwell)" = "root:dwell 750" ] || fail "/etc/dwell is $(chroot "$root" stat -c '%U:%G %a' /etc/dwell)"
grep -q 0.0.1 <<<"$(chroot "$root" dwell --version)" || fail "another version than the package's"
echo kept >"$root/etc/dwell/config.yaml"
echo kept >"$root/var/lib/dwell/state"
in_root -U "${new[@]}"
grep -q 0.0.2 <<<"$(chroot "$root" so-dwell --version)" || fail "the upgrade left the older program"
in_root -U --oldpackage "${old[@]}"
grep -q 0.0.1 <<<"$(chroot "$root" dwell --version)" || fail "dnf downgrade would leave the newer program"
in_root -e dwell
[ ! -e "$root/usr/sbin/dwell" ] && [ ! -e "$root/usr/lib/systemd/system/dwell-hunt.timer" ] || fail "removal left files"
grep -q kept "$root/etc/dwell/config.yaml" && grep -q kept "$root/var/lib/dwell/state" || fail "upgrade or removal lost configuration or state"
