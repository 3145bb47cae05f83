#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Evacuations of a host with ten containers of different sizes and runtimes, each with a client that
# keeps one connection and wants each reply exactly once. Each test begins with all ten on alpha:
# `restore` of the one before brought them there.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

all=(c0 c1 c2 c3 c4 c5 c6 c7 c8 c9)

client_start() {
	"$tool" client ctl "$2" --interval-ms 20 --out "$BATS_FILE_TMPDIR/$1.report" 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/$1.pid"
}

# clients_exact: all of them, which end.
clients_exact() {
	local name worst=0 gap wrong=0
	for name in "${all[@]}"; do
		client_exact "$name" || wrong=1
		gap=$(jq .max_gap_ms "$BATS_FILE_TMPDIR/$name.report")
		[ "${gap%.*}" -le "$worst" ] || worst=${gap%.*}
	done
	echo "# longest gap of a client: $worst ms" >&3
	[ $wrong = 0 ]
}

client_exact() {
	local pid
	pid=$(cat "$BATS_FILE_TMPDIR/$1.pid")
	rm "$BATS_FILE_TMPDIR/$1.pid"
	kill "$pid"
	wait "$pid" || true
	soon 5 jq -e . "$BATS_FILE_TMPDIR/$1.report" >/dev/null
	[ "$(jq -c '[.exact, .lost, .repeated, .reordered, .reconnects, .broken, .verified]' \
		"$BATS_FILE_TMPDIR/$1.report")" = '[true,0,0,0,0,null,true]' ] ||
		{ echo "$1: $(cat "$BATS_FILE_TMPDIR/$1.report")"; return 1; }
}

clients_start() {
	local name
	for name in "${all[@]}"; do
		client_start "$name" "$(cat "$BATS_FILE_TMPDIR/$name.ip")"
	done
	sleep 0.5 # some replies before the first freeze
}

# truth: "c0 alpha" a line, from the runtimes themselves; a container that runs twice has two.
truth() {
	local host
	for host in alpha beta gamma delta; do
		# shellcheck disable=SC2016 # expanded there
		lab exec "$host" sh -c 'for r in runc crun; do
			$r list -f json 2>/dev/null | jq -r --arg h "$1" \
				".[]? | select(.status == \"running\") | .id + \" \" + \$h"
		done' truth "$host"
	done | sort
}

here() { truth | awk -v h="$1" '$2 == h { print $1 }' | tr '\n' ' '; }
each_once() { [ "$(truth | cut -d' ' -f1 | tr '\n' ' ')" = "${all[*]} " ]; }
listed_on() { [ "$(drover ps --host "$1" -o plain | wc -l)" = "$2" ]; }

# plan ARG…: the answer as JSON in $plan, the exit code in $code.
plan() {
	code=0
	drover "$@" --json >"$BATS_TEST_TMPDIR/plan" 2>"$BATS_TEST_TMPDIR/errors" || code=$?
	plan=$(cat "$BATS_TEST_TMPDIR/plan")
	echo "$*: exit $code, $(jq -c '{state, note}' <<<"$plan") $(cat "$BATS_TEST_TMPDIR/errors")"
}

states() { jq -r '[.items[].state] | group_by(.) | map("\(.[0]) \(length)") | join(", ")' <<<"$plan"; }

# bring_home: for the next test.
bring_home() {
	local host
	for host in "$@"; do
		plan restore "$host" -y
		[ "$code" = 0 ]
	done
	soon 10 listed_on alpha 10
}

# most_at_once KEY: how many moves of that source or target (or "all") overlapped, from their jobs.
most_at_once() {
	drover jobs --all --json | jq --arg key "$1" --arg id "$(jq -r .id <<<"$plan")" '
		[.[] | select(.parent == $id)] as $jobs
		| [$jobs[] | . as $one
			| [$jobs[] | select(($key == "all" or .[$key] == $one[$key])
				and .started_ms <= $one.started_ms
				and .finished_ms > $one.started_ms)] | length] | max'
}

in_flight() { drover jobs --json | jq -e "[.[] | select(.kind == \"migrate\")] | length >= $1" >/dev/null; }
step_is() { drover jobs --json | jq -e --arg s "$1" 'any(.[]; .step == $s)' >/dev/null; }

setup_file() {
	local host name i=0
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 4 --run 1g
	for host in alpha beta gamma delta; do
		lab ct "$host" seed --no-start
		lab ct-rm "$host" seed
	done
	for name in "${all[@]}"; do
		i=$((i + 1))
		lab ct alpha "$name" --mb $((4 + i * 5)) \
			--runtime "$([ $((i % 3)) = 0 ] && echo crun || echo runc)" \
			>"$BATS_FILE_TMPDIR/$name.ip"
	done
	lab wait
	soon 15 listed_on alpha 10
}

teardown_file() {
	local pid
	for pid in "$BATS_FILE_TMPDIR"/*.pid; do
		[ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
	done
	lab down
}

# What a failed test left must not fail the next.
setup() {
	local name host
	drover uncordon alpha >/dev/null
	truth >"$BATS_TEST_TMPDIR/truth"
	while read -r name host; do
		[ "$host" = alpha ] || drover migrate "$name" --to alpha
	done <"$BATS_TEST_TMPDIR/truth"
	soon 10 listed_on alpha 10
}

teardown() {
	[ -z "${BATS_TEST_COMPLETED-}" ] || return 0
	drover hosts || true
	drover jobs --all || true
	for host in alpha beta gamma delta ctl; do
		echo "-- $host"
		lab log "$host" | tail -n 12
	done
}

@test "a host is emptied and its guests come home; all clients exact, never over the limits" {
	clients_start
	plan evacuate alpha -m 'new disk' -y
	[ "$code" = 0 ]
	[ "$(jq -r .note <<<"$plan")" = "alpha is empty" ]
	[ "$(states)" = "moved 10" ]
	[ -z "$(here alpha)" ]
	each_once
	[ "$(most_at_once source)" -le 2 ]
	[ "$(most_at_once target)" -le 2 ]
	[ "$(most_at_once all)" -le 5 ]
	[ "$(drover hosts --json | jq -r '.[] | select(.id == "alpha") | .maintenance')" = true ]
	run ! drover migrate c0 --to alpha
	bring_home alpha
	[ "$(here alpha)" = "${all[*]} " ]
	[ "$(drover hosts --json | jq -r '.[] | select(.id == "alpha") | .cordoned // false')" = false ]
	clients_exact
}

@test "only with a yes; --dry-run and --save touch nothing" {
	run drover evacuate alpha
	[ "$status" = 2 ]
	[[ $output == *"needs -y"* ]]
	lab exec ctl drover evacuate alpha --dry-run --save /tmp/plan.json
	[ "$(lab exec ctl jq -r '.kind, (.items | length)' /tmp/plan.json | tr '\n' ' ')" = "evacuate 10 " ]
	[ "$(here alpha)" = "${all[*]} " ]
	[ "$(drover hosts --json | jq -r '.[] | select(.id == "alpha") | .cordoned // false')" = false ]
	# Less all but one container: that one goes, as the plan says.
	lab exec ctl sh -c 'jq ".items |= map(select(.container == \"c4\")) | .kind = \"rebalance\" |
		.hosts = []" /tmp/plan.json >/tmp/one.json'
	plan apply /tmp/one.json -y
	[ "$code" = 0 ]
	[ "$(states)" = "moved 1" ]
	[ "$(truth | awk '$1 == "c4" { print $2 }')" = "$(lab exec ctl jq -r '.items[0].target' /tmp/one.json)" ]
	plan apply /tmp/plan.json -y
	[ "$code" = 3 ]
	grep -q "c4 does not run on alpha any more" "$BATS_TEST_TMPDIR/errors"
	drover migrate c4 --to alpha
}

@test "what cannot move stays and is named; the others go" {
	lab ct alpha x0 --net none # listens at its host's address, which cannot follow
	soon 10 listed_on alpha 11
	plan evacuate alpha -y
	lab ct-rm alpha x0
	[ "$code" = 4 ]
	[[ $(jq -r .note <<<"$plan") == "1 left: x0 on alpha (E-NET-HOST"* ]]
	[ "$(states)" = "moved 10, stays 1" ]
	[ -z "$(here alpha)" ]
	bring_home alpha
}

@test "the coordinator is killed midway: the evacuation goes on by itself" {
	clients_start
	drover evacuate alpha -y --detach
	soon 20 step_is hold
	lab kill ctl coordinator
	lab start ctl coordinator
	soon 10 drover status >/dev/null
	plan job alpha --follow
	[ "$code" = 0 ]
	[ "$(states)" = "moved 10" ]
	[ -z "$(here alpha)" ]
	each_once
	clients_exact
	bring_home alpha
}

@test "a target crashes midway: what was going there stays and goes to another host" {
	drover evacuate alpha -y --detach
	soon 20 in_flight 2
	target=$(drover jobs --json | jq -r '[.[] | select(.kind == "migrate")][0].target')
	lab crash "$target"
	plan job alpha --follow
	echo "crashed: $target, $(states)"
	lab boot "$target"
	lab start "$target" worker 2>/dev/null || true
	lab wait
	# What had arrived on the host that lost its power is gone with it; all others are elsewhere.
	[ -z "$(here alpha)" ] || [ "$code" = 4 ]
	[ "$(truth | cut -d' ' -f1 | uniq -d)" = "" ]
	for name in "${all[@]}"; do
		state=$(jq -r --arg c "$name" '.items[] | select(.container == $c) |
			.state + " " + .target' <<<"$plan")
		[ "$state" = "moved $target" ] || truth | grep -q "^$name " ||
			{ echo "$name: $state, and runs nowhere"; false; }
	done
	lab exec ctl drover uncordon alpha
	for name in "${all[@]}"; do # whole again, on alpha, for the next test
		for host in alpha beta gamma delta; do
			lab ct-rm "$host" "$name" 2>/dev/null || true
		done
		lab ct alpha "$name" --mb 8 >"$BATS_FILE_TMPDIR/$name.ip"
	done
	soon 15 listed_on alpha 10
}

@test "pause, resume, cancel" {
	drover evacuate alpha -y --detach
	soon 20 in_flight 1
	drover pause alpha
	soon 30 eval '! in_flight 1'
	left=$(here alpha | wc -w)
	[ "$left" -gt 0 ]
	sleep 2 # longer than the queue's look
	[ "$(here alpha | wc -w)" = "$left" ]
	drover resume alpha
	soon 20 in_flight 1
	plan cancel alpha
	[ "$code" = 0 ]
	soon 30 eval '! in_flight 1'
	soon 10 eval 'plan job "$(jq -r .id <<<"$plan")"; [ "$(jq -r .state <<<"$plan")" = "done" ]'
	[ "$(jq -r .ended <<<"$plan")" = cancel ]
	each_once
	bring_home alpha
}

@test "the deadline ends it and kills nothing" {
	clients_start
	plan evacuate alpha -y --deadline 2s --parallel 1
	[ "$code" = 4 ]
	[ "$(jq -r .ended <<<"$plan")" = deadline ]
	each_once
	[ -n "$(here alpha)" ]
	clients_exact
	bring_home alpha
}

@test "two hosts at once: nobody is moved onto either" {
	drover migrate c0 --to beta
	drover migrate c1 --to beta
	plan evacuate alpha beta -y
	[ "$code" = 0 ]
	[ "$(jq -r .note <<<"$plan")" = "alpha, beta are empty" ]
	[ -z "$(here alpha)$(here beta)" ]
	each_once
	plan restore beta -y
	[ "$code" = 0 ]
	[ "$(here beta)" = "c0 c1 " ]
	plan restore alpha -y
	[ "$code" = 0 ]
	drover migrate c0 --to alpha
	drover migrate c1 --to alpha
	soon 10 listed_on alpha 10
}

@test "no host may be moved onto: nothing moves, and it says so" {
	for host in beta gamma delta; do
		drover cordon "$host"
	done
	plan evacuate alpha -y
	[ "$code" = 4 ]
	[ "$(states)" = "stays 10" ]
	[[ $(jq -r .note <<<"$plan") == *"there is no other host that may be moved onto"* ]]
	[ "$(here alpha)" = "${all[*]} " ]
	each_once
}
