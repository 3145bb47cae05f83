#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Who is taken for dead, on real hosts: a host that crashed or hangs, but none that another host
# still sees, none that is only slow to be heard, and none because the coordinator itself was away.
# What a container does meanwhile is its own affair: nobody starts or stops it.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

# field HOST NAME: of what drover says of a host.
field() {
	lab exec ctl drover hosts --json | jq -r --arg id "$1" --arg f "$2" \
		'.[] | select(.id == $id) | .[$f] // ""'
}
is() { [ "$(field "$1" state)" = "$2" ]; }
all_up() { lab exec ctl drover hosts --json | jq -e 'all(.[]; .state == "up")' >/dev/null; }
listed() { lab exec ctl drover ps --json | jq -e --arg id "$1" 'any(.[]; .container.id == $id)'; }

# never_dead: of the events since setup, none took a host for dead but those that are named.
deaths() { grep -o 'host\.dead *[a-z]*' "$events" | sed 's/.* //' | sort -u | tr '\n' ' '; }

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 4 --run 1g
}

teardown_file() { lab down; }

setup() {
	events=$BATS_TEST_TMPDIR/events
	"$tool" exec ctl drover watch >"$events" 2>&1 &
	watch=$!
	soon 20 watches
}

# watches: events come through; a harmless one is made to see it.
watches() {
	lab exec ctl drover cordon alpha >/dev/null
	lab exec ctl drover uncordon alpha >/dev/null
	grep -q host.cordoned "$events"
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] || { cat "$events"; lab log ctl | tail -n 20; }
	kill "$watch" 2>/dev/null || true
	lab heal
}

@test "a crashed host is dead once its peers miss it; its containers are unknown, not dead" {
	local start
	lab ct delta web
	soon 10 listed web
	start=$(date +%s%3N)
	lab crash delta
	soon 30 is delta dead
	echo "# crash to dead: $(($(date +%s%3N) - start)) ms" >&3
	[[ $(field delta note) == *"its containers are unknown, not dead; not reached by "*", "*", "* ]]
	[ "$(field delta age_ms)" -gt 4000 ]
	lab exec ctl drover hosts | grep -q 'delta .*dead .*unknown, not dead'
	lab exec ctl drover ps | grep -q 'delta is lost: unknown, not dead'
	lab exec ctl drover ps --json | jq -e '.[] | select(.container.id == "web") |
		.container.status == "unknown" and .host_state == "dead" and .note != null'
	[ "$(deaths)" = "delta " ]
	# Nobody started it anywhere else, and its host says itself that it is back.
	local host
	for host in alpha beta gamma; do
		[ -z "$(lab exec "$host" runc list -q)" ]
	done
	lab boot delta
	soon 20 is delta up
}

@test "a hung host, whose kernel still takes connections, is dead, and up when it goes on" {
	lab hang delta
	soon 30 is delta dead
	[[ $(field delta note) == *"not reached by "* ]]
	lab resume delta
	soon 20 is delta up
	[ "$(deaths)" = "delta " ]
}

@test "a host that only the coordinator does not hear is suspect, seen by a peer" {
	lab cut alpha ctl --one-way
	soon 30 is alpha suspect
	soon 15 eval '[[ $(field alpha note) == *"seen by "* ]]'
	[[ $(field alpha seen_by) =~ ^(beta|gamma|delta)$ ]]
	# Beyond the time after which silence alone would do.
	soon 20 eval '[ "$(field alpha age_ms)" -gt 13000 ]'
	is alpha suspect
	lab heal
	soon 30 is alpha up
	[ "$(deaths)" = "" ]
}

@test "a worker that is stopped says bye; one that is started again is up" {
	lab kill beta worker TERM
	soon 30 is beta dead
	[[ $(field beta note) == "its worker has stopped"*"unknown, not dead" ]]
	lab start beta worker
	soon 20 is beta up
}

@test "a coordinator that was stopped takes nobody for dead, nor suspect" {
	lab kill ctl coordinator STOP
	sleep 8 # longer than the silence that makes a host suspect, whatever its habits
	lab kill ctl coordinator CONT
	soon 10 all_up
	sleep 4
	all_up
	grep -q coordinator.late "$events"
	[ "$(deaths)" = "" ]
	[ "$(grep -c host.suspect "$events")" = 0 ]
}

@test "half of the hosts silent at once: none is dead, and status says why" {
	lab cut alpha ctl --one-way
	lab cut beta ctl --one-way
	lab cut gamma ctl --one-way
	soon 30 is alpha suspect
	soon 10 eval 'lab exec ctl drover status | grep -q "hosts fell silent at once: none is taken for dead"'
	lab exec ctl drover status --json | jq -e '.cluster.warning != null'
	soon 20 eval '[ "$(field alpha age_ms)" -gt 12000 ]'
	[ "$(deaths)" = "" ]
	lab heal
	soon 30 all_up
	grep -q hosts.silent "$events"
	grep -q hosts.heard "$events"
	[ "$(deaths)" = "" ]
}
