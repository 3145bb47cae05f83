#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# One daemon kills itself at a named point (base/crash.h) in the middle of a move, is started again
# without it, and the job comes to its end. The lines below are the table of what each end must be.
# A client on ctl, which is neither source nor target, keeps one connection and wants each reply
# exactly once, and no older copy after a newer one; a watcher looks from outside for two copies that
# can execute; hosts are looked at for copies that drover does not speak of.
#
# One lab and one container serve all tests: it moves to and fro. A test that loses it has the next
# one begin with a new container.

hosts=(alpha beta)

. "$BATS_TEST_DIRNAME/judge.sh"

other() { if [ "$1" = alpha ]; then echo beta; else echo alpha; fi; }

# --- the container ---

# container_new [OPTION…]: the only one, on alpha.
container_new() {
	local host id number
	for host in "${hosts[@]}"; do
		for id in $(lab exec "$host" sh -c 'ls /run/runc 2>/dev/null'); do
			lab ct-rm "$host" "$id" || true
		done
	done
	number=$(($(cat "$BATS_FILE_TMPDIR/number" 2>/dev/null || echo 0) + 1))
	echo $number >"$BATS_FILE_TMPDIR/number"
	name=c$number where=alpha
	ip=$(lab ct alpha "$name" --mb "${MB:-32}" --probe "$@")
	soon 10 known "$name"
}

# container: the one that the last test left, or a new one; in $name, $where, $ip.
container() {
	read -r name where ip 2>/dev/null <"$BATS_FILE_TMPDIR/container" || container_new
	rm -f "$BATS_FILE_TMPDIR/container"
}

movable() {
	container
	! grep -qs "^$name$" "$BATS_FILE_TMPDIR/bound" || container_new
}

# --- the client ---

client_start() {
	report=$BATS_TEST_TMPDIR/report
	"$tool" client ctl "$ip" --interval-ms 10 --probe --out "$report" &
	client=$!
	sleep 0.2
}

client_exact() {
	sleep 0.2
	kill "$client" || true
	wait "$client" || true
	client=
	cat "$report"
	[ "$(jq -c '[.exact, .lost, .repeated, .reordered, .broken, .verified, .went_back]' \
		"$report")" = '[true,0,0,0,null,true,0]' ]
}

# --- the job ---

outcome() { jq -r '.outcome // empty' <<<"$job"; }
# An outcome may be told while the clean-up still waits for a host.
ended() {
	job=$(job_now "$name")
	[[ $(outcome) =~ ^(MOVED|STAYED|LOST)$ ]] && [[ $(jq -r .state <<<"$job") != [rw]* ]]
}

# ask: a move of it to the other host begins.
ask() { lab exec ctl drover migrate "$name" --to "$(other "$where")" --detach "$@"; }

# --- the daemons ---

daemon_pid() { lab exec "$1" cat "/run/lab-$2.pid"; }
dead() { ! lab exec "$1" test -d "/proc/$2"; }

# arm HOST WHAT POINT
arm() {
	lab kill "$1" "$2"
	lab start "$1" "$2" --crash "$3"
	armed=$1:$2:$(daemon_pid "$1" "$2")
	soon 10 known "$name"
}

# dies: waits for what was armed to die, and starts it again without the point.
dies() {
	local host what pid
	IFS=: read -r host what pid <<<"$armed"
	soon 20 dead "$host" "$pid" || { echo "the point was not reached"; return 1; }
	lab start "$host" "$what"
	armed=
}

# judge OUTCOME…: the job ends in one of these, and the world is as it says. NONE: there is no job.
judge() {
	if [ "$1" = NONE ]; then
		job=$(job_now "$name")
		[ "$job" = {} ]
		job='{"id": "none", "outcome": "STAYED", "runs_on": "'$where'"}'
		judged
		return
	fi
	soon 30 ended || true
	echo "job: $(jq -c '{outcome, state, step, runs_on, error, fix, waiting_for}' <<<"$job")"
	ended
	[[ " $* " == *" $(outcome) "* ]]
	if [ "$(outcome)" = LOST ]; then
		# Frozen at the source, whole, and nowhere else.
		soon 5 copies_are "$name" "$where:paused $where:task " || { copies "$name"; return 1; }
		return 0
	fi
	judged
}

judged() {
	local from=$where id
	[ "$(outcome)" != MOVED ] || where=$(other "$where")
	[ "$(jq -r .runs_on <<<"$job")" = "$where" ]
	id=$(jq -r .id <<<"$job")
	soon 5 copies_are "$name" "$where:running $where:task " || { copies "$name"; return 1; }
	client_exact
	soon 5 shown_is "$name" "$where" || { shown_on "$name"; return 1; }
	[ "$id" = none ] || journals_fit "$id" "$from" "$(other "$from")"
	soon 5 no_leftovers "$name" "$id" "$where" || { leftovers "$name" "$id" "$where"; return 1; }
	echo "$name $where $ip" >"$BATS_FILE_TMPDIR/container"
}

# coordinator_dies POINT OUTCOME…
coordinator_dies() {
	local point=$1
	shift
	movable
	client_start
	arm ctl coordinator "coord.$point"
	# The client of a coordinator that dies before it answers waits for nothing that we test.
	ask &
	asked=$!
	dies
	judge "$@"
}

# worker_dies HOST POINT [--skip CHECKS] OUTCOME…
worker_dies() {
	local host=$1 point=$2
	shift 2
	client_start
	arm "$host" worker "worker.$point"
	ask --skip mounts
	dies
	judge "$@"
}

source_dies() {
	movable
	worker_dies "$where" "$@"
}

target_dies() {
	movable
	worker_dies "$(other "$where")" "$@"
}

# bound: a container that cannot be restored on beta, so that both sides go back.
bound() {
	container
	grep -qs "^$name$" "$BATS_FILE_TMPDIR/bound" && return
	container_new --bind /srv/only-on-alpha
	echo "$name" >>"$BATS_FILE_TMPDIR/bound"
}

source_dies_back() {
	bound
	worker_dies alpha "$@"
}

target_dies_back() {
	bound
	worker_dies beta "$@"
}

setup_file() {
	local host
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 2 --static --run 1g
	# The image that every container's overlay stands on is there on all hosts.
	for host in "${hosts[@]}"; do
		lab ct "$host" seed --no-start
		lab ct-rm "$host" seed
	done
	lab exec alpha sh -c 'echo here only >/srv/only-on-alpha'
	lab wait
}

teardown_file() { lab down; }

setup() {
	seen=$BATS_TEST_TMPDIR/watch
	"$tool" watch --out "$seen" 3>&- &
	watch=$!
}

# What a failed test left must not fail the next.
teardown() {
	local host what pid
	kill "$watch" && wait "$watch" || true
	cat "$seen"
	[ -z "${asked-}" ] || kill "$asked" 2>/dev/null || true
	[ -z "${client-}" ] || kill "$client" 2>/dev/null || true
	IFS=: read -r host what pid <<<"${armed-}"
	if [ -n "$host" ]; then
		lab kill "$host" "$what" || true
		lab start "$host" "$what"
	fi
	[ -n "${BATS_TEST_COMPLETED-}" ] || [ -n "${BATS_TEST_SKIPPED-}" ] ||
		for host in ctl "${hosts[@]}"; do
			echo "--- $host"
			lab log "$host" | tail -n 15
		done
	[ "$(jq .violations "$seen")" = 0 ]
}

# --- the table: point, outcome ---
#
# record: before it, recorded: after it. The act that follows a record begins at the same moment as
# "recorded", so worker.NAME.act stands here only for acts that follow another act.

# A job that is taken up again before all hosts have told of themselves may be refused.

@test "the coordinator dies at check.record" { coordinator_dies check.record NONE; }

@test "the coordinator dies at check.recorded" { coordinator_dies check.recorded MOVED STAYED; }

@test "the coordinator dies at check.sent" { coordinator_dies check.sent MOVED STAYED; }

@test "the coordinator dies at admit.recorded" { coordinator_dies admit.recorded MOVED STAYED; }

@test "the coordinator dies at admit.sent" { coordinator_dies admit.sent MOVED STAYED; }

# Everything that was recorded goes on.

@test "the coordinator dies at reserve.recorded" { coordinator_dies reserve.recorded MOVED; }

@test "the coordinator dies at reserve.sent" { coordinator_dies reserve.sent MOVED; }

@test "the coordinator dies at sync.recorded" { coordinator_dies sync.recorded MOVED; }

@test "the coordinator dies at sync.sent" { coordinator_dies sync.sent MOVED; }

@test "the coordinator dies at hold.recorded" { coordinator_dies hold.recorded MOVED; }

@test "the coordinator dies at hold.sent" { coordinator_dies hold.sent MOVED; }

@test "the coordinator dies at arm.recorded" { coordinator_dies arm.recorded MOVED; }

@test "the coordinator dies at arm.sent" { coordinator_dies arm.sent MOVED; }

@test "the coordinator dies at release.recorded" { coordinator_dies release.recorded MOVED; }

@test "the coordinator dies at release.sent" { coordinator_dies release.sent MOVED; }

@test "the coordinator dies at start.recorded" { coordinator_dies start.recorded MOVED; }

@test "the coordinator dies at start.sent" { coordinator_dies start.sent MOVED; }

@test "the coordinator dies at retire.recorded" { coordinator_dies retire.recorded MOVED; }

@test "the coordinator dies at retire.sent" { coordinator_dies retire.sent MOVED; }

@test "the coordinator dies at clean.recorded" { coordinator_dies clean.recorded MOVED; }

@test "the coordinator dies at clean.sent" { coordinator_dies clean.sent MOVED; }

# Before RELEASED a source that dies stays: nobody would go on with its half-sent payload. After it
# the target alone decides.

@test "the source dies at check_source.act" { source_dies check_source.act MOVED; }

@test "the source dies at own.record" { source_dies own.record STAYED; }

@test "the source dies at own.recorded" { source_dies own.recorded STAYED; }

@test "the source dies at sync.pending" { source_dies sync.pending STAYED; }

@test "the source dies at held.record" { source_dies held.record STAYED; }

@test "the source dies at held.recorded" { source_dies held.recorded STAYED; }

@test "the source dies at freeze.act" { source_dies freeze.act STAYED; }

@test "the source dies at dump.act" { source_dies dump.act STAYED; }

@test "the source dies at dump.pending" { source_dies dump.pending STAYED; }

@test "the source dies at send.act" { source_dies send.act STAYED; }

@test "the source dies at send.pending" { source_dies send.pending STAYED; }

@test "the source dies at released.record" { source_dies released.record STAYED; }

@test "the source dies at released.recorded" { source_dies released.recorded MOVED; }

@test "the source dies at done.record" { source_dies done.record MOVED; }

@test "the source dies at done.recorded" { source_dies done.recorded MOVED; }

@test "the source dies at clean_source.act" { source_dies clean_source.act MOVED; }

@test "the source dies at closed.record" { source_dies closed.record MOVED; }

@test "the source dies at closed.recorded" { source_dies closed.recorded MOVED; }

@test "the source dies at invalidate.act, going back" { source_dies_back invalidate.act STAYED; }

@test "the source dies at thaw.act, going back" { source_dies_back thaw.act STAYED; }

@test "the source dies at gate_open.act, going back" { source_dies_back gate_open.act STAYED; }

# What a target has reserved or armed dies with it. Between RUNNING and its word to the hook nothing
# runs and nobody may: LOST, with the source's copy frozen for a person. After the word it runs.

@test "the target dies at check_target.act" { target_dies check_target.act MOVED; }

@test "the target dies at reserved.record" { target_dies reserved.record MOVED; }

@test "the target dies at reserved.recorded" { target_dies reserved.recorded STAYED; }

@test "the target dies at unpack.act" { target_dies unpack.act STAYED; }

@test "the target dies at unpack.pending" { target_dies unpack.pending STAYED; }

@test "the target dies at arm.act" { target_dies arm.act STAYED; }

@test "the target dies at arm.pending" { target_dies arm.pending STAYED; }

@test "the target dies at prepared.record" { target_dies prepared.record STAYED; }

@test "the target dies at prepared.recorded" { target_dies prepared.recorded STAYED; }

@test "the target dies at running.record" { target_dies running.record STAYED; }

@test "the target dies at running.recorded" { target_dies running.recorded LOST; }

@test "the target dies at go.pending" { target_dies go.pending MOVED; }

@test "the target dies at plug.act" { target_dies plug.act MOVED; }

@test "the target dies at clean_target.act" { target_dies clean_target.act MOVED; }

@test "the target dies at closed.record" { target_dies closed.record MOVED; }

@test "the target dies at closed.recorded" { target_dies closed.recorded MOVED; }

@test "the target dies at refused.record, going back" { target_dies_back refused.record STAYED; }

@test "the target dies at refused.recorded, going back" { target_dies_back refused.recorded STAYED; }

@test "the target dies at unreserve.act, going back" { target_dies_back unreserve.act STAYED; }

# CRIU has the sockets in repair mode when it comes to the pages.
@test "a checkpoint is killed in its middle, by a cancel" {
	MB=256 container_new
	client_start
	lab exec alpha touch /run/before
	lab exec alpha sh -c 'until find /run/drover/staging -name pages-1.img -newer /run/before |
			grep -q .; do :; done; pkill -STOP -x criu' &
	local stopper=$!
	ask
	wait $stopper
	lab exec ctl drover cancel "$(job_now "$name" | jq -r .id)"
	judge STAYED
	lab log alpha | grep -q "TCP sockets were in repair mode"
}
