#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Keeping the cluster even, on hosts that have a load of their own (lab up --own-load). alpha has a
# container that wants 55 % of its CPU and three that want 15 %: without the first it is well.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

quiet=${DROVER_QUIET_SECS:-45} # how long it must stay quiet

# truth: "hog alpha" a line, from the runtime itself.
truth() {
	local host
	for host in alpha beta gamma; do
		# shellcheck disable=SC2016 # expanded there
		lab exec "$host" sh -c 'runc list -f json 2>/dev/null | jq -r --arg h "$1" \
			".[]? | select(.status == \"running\") | .id + \" \" + \$h"' truth "$host"
	done | sort
}

is_on() { truth | grep -qx "$1 $2"; }
is_hot() { drover hosts --json | jq -e '.[] | select(.id == "alpha") | .cpu_permille > 850' >/dev/null; }
is_weighed() { drover ps --json | jq -e '[.. | objects | select(.id? == "hog")][0].cpu_permille > 100' >/dev/null; }
proposes() { drover rebalance --json | jq -e '[.items[]? | .container] == ["hog"]' >/dev/null; }
moves() { drover jobs --all --json | jq '[.[] | select(.kind == "migrate")] | length'; }

# mode MODE: the coordinator starts again in it.
mode() {
	lab kill ctl coordinator
	lab exec ctl sed -i "/^rebalance =/d; s/^\[coordinator\]/&\nrebalance = $1/" /etc/drover/drover.conf
	lab start ctl coordinator
}

setup_file() {
	local name
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 3 --run 1g --own-load --set coordinator.rebalance_every=2s
	lab ct alpha hog --mb 8 --burn 55 >"$BATS_FILE_TMPDIR/ip"
	for name in c1 c2 c3; do lab ct alpha "$name" --mb 8 --burn 15; done
	lab wait
	soon 20 is_hot
	soon 20 is_weighed
}

teardown_file() { lab down; }

teardown() {
	[ -z "${BATS_TEST_COMPLETED-}" ] || return 0
	drover hosts || true
	drover ps || true
	drover jobs --all || true
	lab log ctl | tail -n 20
}

@test "auto: the hog leaves the overloaded host by itself, its client is exact, then all is quiet" {
	soon 20 is_weighed
	soon 20 proposes
	"$tool" client ctl "$(cat "$BATS_FILE_TMPDIR/ip")" --interval-ms 20 \
		--out "$BATS_TEST_TMPDIR/report" 3>&- &
	client=$!
	before=$(moves)
	mode auto
	began=$SECONDS
	soon 60 eval '! is_on hog alpha'
	soon 30 eval 'truth | grep -q "^hog "'
	echo "# the hog left after $((SECONDS - began)) s; quiet for $quiet s?" >&3
	sleep "$quiet"
	truth
	[ "$(moves)" = $((before + 1)) ]
	[ "$(truth | awk '$2 == "alpha" { print $1 }' | tr '\n' ' ')" = "c1 c2 c3 " ]
	[ "$(truth | wc -l)" = 4 ]
	kill "$client"
	wait "$client" || true
	[ "$(jq -c '[.exact, .lost, .repeated, .reconnects, .broken]' "$BATS_TEST_TMPDIR/report")" = \
		'[true,0,0,0,null]' ]
}

@test "it proposes: which, why, the hosts before and after; a saved plan that is stale is refused" {
	mode off # what was moved lately rests from auto, not from a person
	lab wait
	is_on hog alpha || drover migrate hog --to alpha
	soon 20 proposes
	plan=$(drover rebalance --json)
	echo "$plan"
	[ "$(jq -c '[.items[] | [.container, .source]]' <<<"$plan")" = '[["hog","alpha"]]' ]
	[[ $(jq -r '.items[0].code' <<<"$plan") == P-* ]]
	jq -e '.rooms[] | select(.host == "alpha") | .hot_after < .hot - 0.1' <<<"$plan"
	drover rebalance --save /tmp/plan.json >"$BATS_TEST_TMPDIR/said"
	grep -q 'hottest host' "$BATS_TEST_TMPDIR/said"
	is_on hog alpha # nothing has moved
	target=$(lab exec ctl jq -r '.items[0].target' /tmp/plan.json)
	drover rebalance --apply -y
	soon 20 is_on hog "$(drover jobs --all --json | jq -r '[.[] | select(.kind == "migrate")][0].target')"
	run drover apply /tmp/plan.json -y
	[ "$status" = 3 ]
	[[ $output == *"hog does not run on alpha any more"* ]]
	drover migrate hog --to alpha
	# The plan is as good as it was; its world is not that of another boot.
	lab exec ctl sh -c 'jq ".rooms[0].boot_id = \"00000000-0000-0000-0000-000000000000\"" \
		/tmp/plan.json >/tmp/old.json'
	run drover apply /tmp/old.json -y
	[ "$status" = 3 ]
	[[ $output == *"was started again since the plan was made"* ]]
	drover apply /tmp/plan.json -y
	is_on hog "$target"
	drover migrate hog --to alpha
}
