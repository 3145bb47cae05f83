#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Whole hosts and links fail in the middle of a move: power, a host that hangs and wakes up, cut
# links, full disks. Each test says in its name how the move must end. A daemon that comes to a named
# point stops there (lab pause), so that what fails does so at exactly that moment.
#
# Each is judged by a client on gamma, which takes no part; by the journals of both sides against
# the table of DESIGN.md §4; by what is really on the hosts; and by a watcher that wants never to
# see two copies that can execute. Where a host that the container was on loses its power, or only a
# person may go on, the client shall see no older copy.
#
# S is the host that the container is on, T the other one; it moves to and fro through all tests.

hosts=(alpha beta)
HOLD=5 # seconds

. "$BATS_TEST_DIRNAME/judge.sh"
. "$BATS_TEST_DIRNAME/fault.sh"

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 3 --static --run 256m --state 16m --disk 256m --set worker.hold=${HOLD}s
}

teardown_file() { lab down; }

setup() {
	seen=$BATS_TEST_TMPDIR/watch
	"$tool" watch --out "$seen" 3>&- &
	watch=$!
}

# What a failed test left must not fail the next.
teardown() {
	local host
	[ -z "$watch" ] || kill "$watch" && wait "$watch" || true
	cat "$seen"
	[ -n "${BATS_TEST_COMPLETED-}" ] || [ -n "${BATS_TEST_SKIPPED-}" ] || {
		[ -z "${client-}" ] || kill "$client" 2>/dev/null || true
		lab heal
		[ -z "${stopped-}" ] || goes_on || true
		for host in ctl "${hosts[@]}"; do
			echo "--- $host"
			lab log "$host" | tail -n 20
			lab resume "$host" 2>/dev/null || lab boot "$host" 2>/dev/null || true
			lab unfill "$host" /var/lib/drover || true
			lab unfill "$host" /run/drover || true
			lab unfill "$host" /var/lib/ct || true
			lab rate "$host" 0
			lab exec "$host" rm -f /run/drover/lab-pause
		done
		lab wait || true
	}
	[ -z "$watch" ] || [ "$(jq .violations "$seen")" = 0 ]
}

# --- the witnesses can see ---

@test "two copies that run are seen; one of them frozen is not" {
	local at=$BATS_TEST_TMPDIR/at code
	lab ct alpha twin --net private
	lab ct beta twin --net private --no-start
	lab exec beta runc run --detach --bundle /var/lib/ct/twin twin >/dev/null 2>&1 </dev/null
	"$tool" watch --out "$at" 3>&- &
	sleep 0.3
	kill $!
	code=0
	wait $! || code=$?
	[ $code = 1 ]
	[ "$(jq '.violations == 1 and .overlaps[0].container == "twin"' "$at")" = true ]
	lab exec beta runc pause twin
	"$tool" watch --out "$at" 3>&- &
	sleep 0.3
	kill $!
	wait $!
	[ "$(jq '.violations == 0 and .copies == 2 and .max_running == 1' "$at")" = true ]
	lab ct-rm alpha twin
	lab ct-rm beta twin
	# The test's own watcher was right about these.
	kill "$watch"
	wait "$watch" || true
	watch=
}

@test "a container that begins anew is seen by its client" {
	container
	lab exec "$S" runc delete -f "$name"
	lab exec "$S" sh -c 'runc run --detach --bundle "/var/lib/ct/$1" "$1" >/dev/null 2>&1' \
		again "$name"
	sleep 0.5
	client_end
	[ "$(jq '.exact == false and .went_back > 0' "$report")" = true ]
}

# --- the power of a host fails ---

@test "STAYED: S loses its power while it copies; the container is gone with its host" {
	container
	stops "$S" worker worker.sync.pending
	lab crash "$S"
	stopped=
	up "$S"
	ends STAYED
	nobody
}

@test "LOST: S loses its power while it holds" {
	container
	stops "$S" worker worker.send.pending
	lab crash "$S"
	stopped=
	soon 8 undoes
	up "$S"
	ends LOST
	[ "$(jq -r .runs_on <<<"$job")" = "" ]
	nobody
}

@test "MOVED: S loses its power when it has released, its grant on the way" {
	container
	stops ctl coordinator coord.start.send
	lab crash "$S"
	goes_on
	soon 10 told MOVED
	up "$S"
	moved
}

@test "MOVED: S loses its power when it has released and nobody has heard it" {
	container
	stops "$S" worker worker.released.recorded
	lab crash "$S"
	stopped=
	up "$S"
	moved
}

@test "MOVED: S loses its power when T has recorded that it runs" {
	container
	stops "$T" worker worker.running.recorded
	lab crash "$S"
	goes_on
	soon 10 told MOVED
	up "$S"
	moved
}

@test "LOST: S and T lose their power when S has released" {
	container
	stops ctl coordinator coord.start.send
	lab crash "$S"
	lab crash "$T"
	goes_on
	lab boot "$S"
	up "$T"
	ends LOST
	[ "$(jq -r .runs_on <<<"$job")" = "" ]
	nobody
}

@test "STAYED: T loses its power while it unpacks" {
	container
	stops "$T" worker worker.unpack.pending
	lab crash "$T"
	stopped=
	soon 10 told STAYED
	up "$T"
	stayed
}

@test "STAYED: T loses its power when it is armed" {
	container
	stops "$T" worker worker.prepared.recorded
	lab crash "$T"
	stopped=
	soon 10 told STAYED
	up "$T"
	stayed
}

@test "STAYED: T loses its power when it is armed and S has released" {
	container
	stops ctl coordinator coord.start.send
	lab crash "$T"
	goes_on
	up "$T"
	stayed
}

@test "LOST: T loses its power just after it has started the container" {
	container
	stops "$T" worker worker.go.pending
	soon 5 copies_are "$name" "$([ "$S" = alpha ] &&
		echo 'alpha:paused alpha:task beta:running beta:task ' ||
		echo 'alpha:running alpha:task beta:paused beta:task ')"
	lab crash "$T"
	stopped=
	up "$T"
	ends LOST
	[ "$(jq -r .runs_on <<<"$job")" = "" ]
	frozen
	# Over for drover, and not for whoever looks what there is to do.
	drover status --json | jq -e --arg id "$id" '.cluster.held == 1 and
		any(.jobs[]; .id == $id and .outcome == "LOST")' >/dev/null
	[[ "$(drover status)" == *"$name  LOST: a frozen copy on $S"* ]]
}

# --- a host hangs, and wakes up after everything that it waited for ---

@test "STAYED: S hangs before it releases; T gives up; S wakes up" {
	container
	stops ctl coordinator coord.release.send
	lab hang "$S"
	goes_on
	soon $((2 * HOLD + 5)) row_is "$T" "$id" refused
	lab resume "$S"
	stayed
}

@test "MOVED: S hangs when it has released, longer than it would hold; T runs; S wakes up" {
	container
	stops ctl coordinator coord.start.send
	lab hang "$S"
	goes_on
	soon 10 told MOVED
	sleep $((HOLD + 1))
	lab resume "$S"
	moved
}

@test "STAYED: T hangs when it is armed; S goes on by itself; T wakes up" {
	container
	stops ctl coordinator coord.release.send
	lab hang "$T"
	soon $((HOLD + 5)) row_is "$S" "$id" own
	sleep $((HOLD + 1))
	lab resume "$T"
	goes_on
	stayed
}

# T finds the grant and its deadline at the same time.
@test "MOVED or STAYED: T hangs when it is armed and S has released, for longer than it waits" {
	container
	stops ctl coordinator coord.release.send
	lab hang "$T"
	goes_on
	sleep $((2 * HOLD + 1))
	[ "$(row "$S" "$id")" = released ]
	lab resume "$T"
	either
}

# --- links are cut ---

@test "MOVED: S and T cut off from each other while it copies, for two seconds" {
	container
	stops "$S" worker worker.sync.pending
	lab cut "$S" "$T"
	goes_on
	sleep 2
	lab heal
	moved
}

@test "STAYED: S and T cut off from each other while it copies; cancelled by a person" {
	container
	stops "$S" worker worker.sync.pending
	lab cut "$S" "$T"
	goes_on
	sleep 1
	lab exec ctl drover cancel "$id"
	stayed
	lab heal
}

@test "HELD, then STAYED: S cut off from the coordinator when it shall release" {
	container
	stops ctl coordinator coord.release.send
	lab cut ctl "$S"
	goes_on
	soon 15 told HELD
	[ "$(row "$S" "$id")" = own ]
	lab heal
	stayed
}

@test "STAYED: T cut off from the coordinator while S holds" {
	container
	stops "$S" worker worker.send.act
	lab cut ctl "$T"
	goes_on
	soon 10 told STAYED
	lab heal
	stayed
}

@test "MOVED: T cut off from the coordinator when S shall release: S and T go on directly" {
	container
	stops ctl coordinator coord.release.send
	lab cut ctl "$T"
	goes_on
	soon $((2 * HOLD + 5)) row_is "$S" "$id" "done own"
	lab heal
	moved
}

@test "MOVED: S hears the coordinator and is not heard when it shall release" {
	container
	stops ctl coordinator coord.release.send
	lab cut "$S" ctl --one-way
	goes_on
	soon $((2 * HOLD + 5)) row_is "$S" "$id" "done own"
	lab heal
	moved
}

@test "MOVED: T hears the coordinator and is not heard when it shall start" {
	container
	stops ctl coordinator coord.start.send
	lab cut "$T" ctl --one-way
	goes_on
	soon 10 row_is "$S" "$id" done
	lab heal
	moved
}

@test "STAYED: T is not heard by S while S holds" {
	container
	stops "$S" worker worker.send.act
	lab cut "$T" "$S" --one-way
	goes_on
	stayed
	lab heal
}

@test "STAYED: all cut off from each other while S holds" {
	container
	stops "$S" worker worker.send.act
	cut_all
	goes_on
	soon $((HOLD + 5)) row_is "$S" "$id" own
	lab heal
	stayed
}

@test "MOVED: all cut off from each other when S has released, healed before T gives up" {
	container
	stops "$S" worker worker.released.recorded
	cut_all
	goes_on
	sleep 2
	lab heal
	moved
}

@test "STAYED: all cut off from each other when S has released, healed after T gave up" {
	container
	stops "$S" worker worker.released.recorded
	cut_all
	goes_on
	soon $((2 * HOLD + 5)) row_is "$T" "$id" refused
	[ "$(row "$S" "$id")" = released ]
	lab heal
	stayed
}

# --- disks are full ---

@test "STAYED: the disk of S's journal is full" {
	container
	lab fill "$S" /var/lib/drover
	ask
	stayed
	lab unfill "$S" /var/lib/drover
}

@test "STAYED: the disk of T's journal is full" {
	container
	lab fill "$T" /var/lib/drover
	ask
	stayed
	lab unfill "$T" /var/lib/drover
}

# T begins no restore unless there is room for its end.
@test "MOVED or STAYED: the disk of T's journal fills up while S holds" {
	container
	local full=$T
	stops "$S" worker worker.dump.act
	lab fill "$full" /var/lib/drover
	goes_on
	either
	lab unfill "$full" /var/lib/drover
}

@test "MOVED: the disks of both journals fill up when T is armed: what began has room for its end" {
	container
	stops ctl coordinator coord.release.send
	lab fill "$S" /var/lib/drover
	lab fill "$T" /var/lib/drover
	goes_on
	moved
	lab unfill "$S" /var/lib/drover
	lab unfill "$T" /var/lib/drover
}

@test "STAYED: where S puts the image is full" {
	container
	stops "$S" worker worker.dump.act
	lab fill "$S" /run/drover
	goes_on
	stayed
	lab unfill "$S" /run/drover
}

@test "STAYED: T's staging is full when the memory comes in" {
	container
	stops "$S" worker worker.sync.act
	lab fill "$T" /run/drover
	goes_on
	stayed
	lab unfill "$T" /run/drover
}

@test "STAYED: T's storage is full when the files come in" {
	container
	stops "$S" worker worker.sync.act
	lab fill "$T" /var/lib/ct
	goes_on
	stayed
	lab unfill "$T" /var/lib/ct
}

# --- CRIU is killed ---

@test "STAYED: CRIU is killed while it dumps" {
	container
	stops "$S" worker worker.dump.act
	criu_dies "$S"
	stayed
}

@test "STAYED: CRIU is killed while it restores" {
	container
	stops "$T" worker worker.arm.act
	criu_dies "$T"
	stayed
}

@test "STAYED: CRIU is killed when it is armed" {
	container
	stops ctl coordinator coord.release.send
	lab exec "$T" pkill -KILL -x criu
	goes_on
	stayed
}
