#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# A host loses power in the middle of a handover and a person decides: drover force. One container
# goes through both tests with one client, that wants each reply exactly once.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

# copies: as in crash.bats, what runtimes know of, and every task of a container.
copies() {
	local host
	for host in alpha beta; do
		# shellcheck disable=SC2016 # expanded there
		lab exec "$host" sh -c '
			for id in $(ls /run/runc 2>/dev/null); do
				echo "$1:$(runc state "$id" 2>/dev/null | jq -r .status)"
			done
			pgrep -x srv | sed "s/.*/$1:task/"' copies "$host" 2>/dev/null
	done | tr '\n' ' '
}
copies_are() { [ "$(copies)" = "$1" ]; }

job_now() { lab exec ctl drover job web --json; }
job_is() { [ "$(job_now | jq -r "$1")" = "$2" ]; }

# dies HOST: its worker, at the point that it was started with; and starts it so: arm HOST POINT.
arm() {
	lab kill "$1" worker
	lab start "$1" worker --crash "$2"
	armed=$(lab exec "$1" cat /run/lab-worker.pid)
	soon 10 known web
	lab wait
}
dies() { soon 30 gone "$1" "$armed"; }
gone() { ! lab exec "$1" test -d "/proc/$2"; }

# force EXIT ARG…: what it says is in $said.
force() {
	local want=$1 code=0
	shift
	said=$(lab exec ctl drover force web "$@" 2>&1) || code=$?
	[ "$code" = "$want" ] || { echo "exit $code: $said"; return 1; }
}

client_exact() {
	sleep 4
	kill "$client" || true
	wait "$client" || true
	cat "$report"
	[ "$(jq -c '[.exact, .lost, .repeated, .reordered, .reconnects, .broken, .verified]' \
		"$report")" = '[true,0,0,0,0,null,true]' ]
}

client_start() {
	report=$BATS_TEST_TMPDIR/report
	"$tool" client ctl "$(cat "$BATS_FILE_TMPDIR/ip")" --interval-ms 1000 --out "$report" &
	client=$!
	sleep 0.2
}

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	# A target stays armed for twice worker.hold, and a busy machine takes its time.
	lab up 2 --run 1g --set worker.hold=10m
	# The image that the container's overlay stands on is there on both hosts.
	lab ct beta seed --no-start
	lab ct-rm beta seed
	# It is frozen for a minute: the client neither gives up nor waits as long again.
	lab exec ctl sysctl -qw net.ipv4.tcp_rto_max_ms=1000 net.ipv4.tcp_retries2=255
	lab ct alpha web --mb 32 >"$BATS_FILE_TMPDIR/ip"
	soon 10 known web
}

teardown_file() { lab down; }

teardown() {
	local host
	[ -z "${client-}" ] || kill "$client" 2>/dev/null || true
	[ -z "${BATS_TEST_COMPLETED-}" ] || return 0
	job_now || true
	for host in alpha beta ctl; do
		echo "-- $host"
		lab log "$host" | tail -n 15
	done
}

@test "the target is off after the release: refused while it lives, then the source has it back" {
	client_start
	arm beta worker.running.record
	lab exec ctl drover migrate web --to beta --detach
	dies beta
	soon 60 job_is .outcome HELD
	copies_are "alpha:paused alpha:task "
	lab exec ctl drover status | grep -q HELD

	# What a person can get wrong.
	force 2 --owner source --confirm beta
	force 2 --owner source --reason 'no terminal'
	force 3 --owner source --confirm alpha --reason 'the wrong host'
	force 3 --owner target --confirm beta --reason 'the wrong side'
	force 3 --owner source --confirm beta --reason 'no key' --key /nowhere
	[[ $said == *"drover keygen /nowhere"* ]]
	lab exec ctl drover keygen -q /run/eve.key
	force 3 --owner source --confirm beta --reason 'no operator' --key /run/eve.key
	[[ $said == *"role = operator"* ]]

	# Its worker is dead, but its host answers others: it is not off.
	force 3 --owner source --confirm beta --reason 'it seems to be off'
	[[ $said == *"beta is suspect"* ]]
	lab log alpha | grep -q "the target's host is up, its worker does not answer"
	job_is .outcome HELD
	copies_are "alpha:paused alpha:task "

	lab crash beta
	soon 90 force 0 --owner source --confirm beta --reason 'beta lost its power' --json
	[ "$(jq -r '.outcome, .runs_on' <<<"$said" | xargs)" = "STAYED alpha" ]
	[[ $(jq -r .forced <<<"$said") == *"operator ops"*"beta lost its power"* ]]
	copies_are "alpha:running alpha:task "

	# It boots: its copy never ran, and never will.
	lab boot beta
	lab wait
	soon 20 job_is .state done
	copies_are "alpha:running alpha:task "
	job_is .outcome STAYED
	lab exec ctl drover history web --json |
		jq -e '.[0].forced | contains("beta lost its power")' >/dev/null
	lab log alpha | grep -q "forced: web is this host's now.*operator=ops"
	client_exact
}

@test "the source is off after the release: the armed copy is started, the frozen one never" {
	client_start
	arm alpha worker.released.recorded
	lab exec ctl drover migrate web --to beta --detach
	dies alpha
	lab crash alpha
	soon 60 job_is .outcome HELD
	force 3 --owner source --confirm beta --reason 'the wrong side'
	soon 60 force 0 --owner target --confirm alpha --reason 'alpha lost its power' --json
	[ "$(jq -r '.outcome, .runs_on' <<<"$said" | xargs)" = "MOVED beta" ]
	copies_are "beta:running beta:task "
	lab boot alpha
	lab wait
	soon 20 job_is .state done
	copies_are "beta:running beta:task "
	lab exec alpha sh -c '! ls -d /var/lib/ct/web'
	client_exact
}
