# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# What the tests of the lab begin with.

tool=${BATS_TEST_DIRNAME:-$(dirname "$(realpath "${BASH_SOURCE[0]}")")}/lab

# In the background call "$tool": the number of a function's process is not the tool's.
lab() { "$tool" "$@"; }
drover() { lab exec ctl drover "$@"; }

# soon SECS CMD…: until it succeeds, looked at ten times a second.
soon() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "not soon: $*"; return 1; }
		sleep 0.1
	done
}

# known NAME: drover has seen it run; at first a runtime says "created".
known() {
	drover ps --json | jq -e --arg id "$1" \
		'any(..; .id? == $id and .status? == "running")' >/dev/null
}
