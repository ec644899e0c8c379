# inside.sh page|salt: runs inside the machine. Each block of the page runs in its own shell, which stops at the first
# error.
set -u
cd /root
export HOME=/root DEBIAN_FRONTEND=noninteractive
. ./environment
python3 kibana.py &
way=$1
fail() {
	echo "install-test: FAILED: $way: $1"
	journalctl -o cat -t dwell --no-pager | tail -30
	exit 1
}
owned() { # owned PATH WANT
	[ "$(stat -c '%U:%G %a' "$1")" = "$2" ] || fail "$1 is $(stat -c '%U:%G %a' "$1"), not $2"
}
block=
# each FILE CHECK: runs the blocks of a file in order and CHECK after each, with the block in $block.
each() {
	local line text= n=0
	while IFS= read -r line <&3; do
		if [ "$line" != "#block" ]; then
			text+=$line$'\n'
			continue
		fi
		n=$((n + 1))
		block=$text text=
		echo "== $way: block $n: $(grep -v '^#' <<<"$block" | head -1)"
		"$2" before
		bash -euo pipefail -c "$block" 3<&- || fail "block $n: $block"
		"$2" after
	done 3<"$1"
	echo "== $way: $n blocks of $1"
}
. "./$way.sh"
echo "install-test: $way: passed"
