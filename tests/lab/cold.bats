#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Cold moves: what cannot move live is told to stop, its files are moved, and it is started at the
# target. A watcher looks for two copies that can execute all the time.

# Each test runs in a process of its own, with its own $name.
# shellcheck disable=SC2030,SC2031

hosts=(alpha beta)
# shellcheck source=tests/lab/judge.sh
. "$BATS_TEST_DIRNAME/judge.sh"

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 2 --run 1g --set worker.stop_timeout=2s
	lab ct beta seed --no-start
	lab ct-rm beta seed
}

teardown_file() { lab down; }

setup() {
	"$tool" watch --out "$BATS_TEST_TMPDIR/watch" &
	watcher=$!
}

teardown() {
	local host
	kill "$watcher" 2>/dev/null || true
	if [ -z "${BATS_TEST_COMPLETED-}" ]; then
		for host in alpha beta ctl; do
			echo "-- $host"
			lab log "$host" | tail -n 15
		done
	fi
	for host in alpha beta; do lab ct-rm "$host" "$name" || true; done
}

# migrate ARG…: exit code in $code, the job in $job. Never fails by itself.
migrate() {
	code=0
	lab exec ctl drover migrate "$@" --json >"$BATS_TEST_TMPDIR/json" || code=$?
	job=$(jq -c '[.. | objects | select(has("id") and has("container"))][0] // {}' \
		"$BATS_TEST_TMPDIR/json")
	echo "migrate $*: exit $code, $(jq -c '{outcome, runs_on, mode, mode_reason, error, fix}' <<<"$job")"
}

# ends OUTCOME HOST: the job, what is there, and that never two could execute.
ends() {
	[ "$(jq -r .outcome <<<"$job")" = "$1" ]
	[ "$(jq -r .runs_on <<<"$job")" = "$2" ]
	soon 10 runs_on "$2" || {
		copies "$name"
		return 1
	}
	kill "$watcher"
	wait "$watcher"
}
runs_on() { [[ $(copies "$name") == "$1:running "* && $(copies "$name") != *"$(other "$1"):"* ]]; }
other() { [ "$1" = alpha ] && echo beta || echo alpha; }

mark() { lab exec alpha sh -c "echo $1 >/var/lib/ct/$name/rootfs/var/tmp/mark"; }
marked() { [ "$(lab exec "$1" cat "/var/lib/ct/$name/rootfs/var/tmp/mark")" = "$2" ]; }
job_ended() { [ "$(job_now "$name" | jq -r .state)" = "done" ]; }

# moves RUNTIME
moves() {
	name=ring-$1
	lab ct alpha "$name" --runtime "$1" --ring --log
	soon 10 known "$name"
	mark "of $1"
	migrate "$name" --to beta
	[ "$code" = 3 ]
	grep -q 'migrate .* --cold' "$BATS_TEST_TMPDIR/json"
	runs_on alpha
	migrate "$name" --to beta --cold
	[ "$code" = 0 ]
	ends MOVED beta
	[ "$(jq -r .mode <<<"$job")" = cold ]
	marked beta "of $1"
	soon 10 lab exec alpha test ! -e "/var/lib/ct/$name"
}

@test "runc: a container with an io_uring is refused, with the way around, and moves cold" {
	moves runc
}

@test "crun: a container with an io_uring is refused, with the way around, and moves cold" {
	moves crun
}

@test "what cannot be created at the target is started again at the source" {
	name=bound
	lab exec alpha sh -c 'echo here only >/srv/only-here'
	lab ct alpha "$name" --bind /srv/only-here
	soon 10 known "$name"
	migrate "$name" --to beta --cold --skip mounts
	[ "$code" = 8 ]
	ends STAYED alpha
}

@test "a policy's move = cold is obeyed without a flag, and said" {
	name=at-night
	lab ct alpha "$name" --label drover.move=cold
	soon 10 known "$name"
	migrate "$name" --to beta
	[ "$code" = 0 ]
	ends MOVED beta
	[[ $(jq -r .mode_reason <<<"$job") == E-POLICY-COLD* ]]
}

@test "what pre-copy finds too slow for its budget becomes a cold move where that is allowed" {
	name=slow
	lab ct alpha "$name" --mb 32 --rate 60000
	soon 10 known "$name"
	lab rate alpha 100
	migrate "$name" --to beta --max-downtime 2s --allow-cold
	lab rate alpha 0
	[ "$code" = 0 ]
	ends MOVED beta
	[[ $(jq -r .mode_reason <<<"$job") == "E-DOWNTIME: "*"frozen are predicted, and 2.00 s is allowed" ]]
}

# dies HOST POINT OUTCOME WHERE: its worker kills itself there and is started again.
dies() {
	lab ct alpha "$name" --ring
	soon 10 known "$name"
	mark kept
	lab kill "$1" worker
	lab start "$1" worker --crash "$2"
	pid=$(lab exec "$1" cat /run/lab-worker.pid)
	lab wait
	soon 10 known "$name"
	lab exec ctl drover migrate "$name" --to beta --cold --detach
	soon 30 worker_died "$1"
	lab start "$1" worker
	soon 60 job_ended
	job=$(job_now "$name")
	ends "$3" "$4"
	marked "$4" kept
}
worker_died() { ! lab exec "$1" test -d "/proc/$pid"; }

@test "the source's worker dies after the stop: started again at the source" {
	name=dies-stop
	dies alpha worker.dump.act STAYED alpha
}

@test "the source's worker dies while it is stopping: stopped, then started again" {
	name=dies-stopping
	dies alpha worker.freeze.pending STAYED alpha
}

@test "the target's worker dies after RUNNING, before the start: it is started" {
	name=dies-go
	dies beta worker.go.act MOVED beta
}

@test "the target's worker dies with the container created: refused, started at the source" {
	name=dies-armed
	dies beta worker.prepared.recorded STAYED alpha
}

@test "an evacuation leaves what cannot move live, and moves it cold when asked to" {
	name=stuck
	lab ct alpha "$name" --ring
	soon 10 known "$name"
	mark along
	code=0
	lab exec ctl drover evacuate alpha -y --json >"$BATS_TEST_TMPDIR/json" || code=$?
	[ "$code" = 4 ]
	runs_on alpha
	lab exec ctl drover evacuate alpha --on-stuck cold --dry-run | grep 'cold .*E-IOURING'
	lab exec ctl drover evacuate alpha --on-stuck cold -y --json >"$BATS_TEST_TMPDIR/json"
	jq -e '.items[] | select(.container == "stuck") | .mode == "cold" and .state == "moved"' \
		"$BATS_TEST_TMPDIR/json"
	job=$(job_now "$name")
	[ "$(jq -r .mode <<<"$job")" = cold ]
	ends MOVED beta
	marked beta along
	lab exec ctl drover uncordon alpha
}

ends_as() { [ "$(job_now "$name" | jq -r '.state + ":" + .outcome')" = "$1" ]; }

no_evacuation() {
	drover jobs --all --json | jq -e 'all(.[]; .kind != "evacuate" or .state == "done")' >/dev/null
}

@test "what can go nowhere is stopped when asked to, whatever dies, and started by the restore" {
	name=rooted
	lab ct alpha "$name" --label drover.require=disk=none
	soon 10 known "$name"
	mark still
	lab exec ctl drover evacuate alpha --on-stuck stop --dry-run | grep 'stop .*E-REQUIRE'
	lab kill alpha worker
	lab start alpha worker --crash worker.stop.pending
	pid=$(lab exec alpha cat /run/lab-worker.pid)
	lab wait
	soon 10 known "$name"
	lab exec ctl drover evacuate alpha --on-stuck stop -y --detach
	soon 20 worker_died alpha
	lab kill ctl coordinator
	lab start ctl coordinator
	lab start alpha worker
	soon 20 ends_as stopped:STOPPED
	[[ $(copies "$name") == "alpha:stopped "* ]]
	lab exec ctl drover status | grep "$name on alpha, .*drover restore alpha starts it"
	lab exec ctl drover ps | grep 'stopped by drover'
	code=0
	lab exec alpha drover-worker --may-start "$name" || code=$?
	[ "$code" = 3 ]
	soon 20 no_evacuation
	lab crash alpha
	lab boot alpha
	lab wait
	lab exec ctl drover ps | grep "$name .*stopped"
	lab exec ctl drover restore alpha -y | tail -n 1 | grep 'alpha has back what it had'
	job=$(job_now "$name")
	ends STAYED alpha
	marked alpha still
}

@test "the source loses its power after the stop: its files are there, and it is started again" {
	name=powerless
	lab ct alpha "$name" --ring
	soon 10 known "$name"
	mark durable
	lab exec alpha sync
	lab pause alpha worker worker.dump.act
	lab exec ctl drover migrate "$name" --to beta --cold --detach
	lab paused alpha worker
	lab crash alpha
	lab boot alpha
	lab wait
	soon 90 job_ended
	job=$(job_now "$name")
	jq -c '{outcome, runs_on, error, fix}' <<<"$job"
	ends STAYED alpha
	marked alpha durable
}

@test "what does not start again at its source is told so: it runs nowhere, and nothing says it does" {
	name=mute
	lab exec alpha sh -c 'echo here only >/srv/only-here'
	lab ct alpha "$name" --bind /srv/only-here
	soon 10 known "$name"
	lab pause alpha worker worker.thaw.act
	lab exec ctl drover migrate "$name" --to beta --cold --skip mounts --detach
	lab paused alpha worker
	lab exec alpha rm /srv/only-here
	lab go alpha worker
	soon 60 job_ended
	job=$(job_now "$name")
	jq -c '{outcome, runs_on, error, fix}' <<<"$job"
	[ "$(jq -r '.outcome + ":" + .runs_on' <<<"$job")" = STAYED: ]
	[[ $(jq -r .error <<<"$job") == *"does not start again"* ]]
	[ "$(jq -r '.reasons[0].code' <<<"$job")" = E-COLD-START ]
	[[ $(copies "$name") != *running* ]]
}
