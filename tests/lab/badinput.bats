#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# What an operator gets wrong: each time a sentence that says what to do, the right exit code, and
# the container goes on as if nothing had been asked.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

# says CODE PATTERN…: of the last run; each pattern is in its output.
says() {
	echo "exit $status: $output"
	[ "$status" = "$1" ]
	shift
	local pattern
	for pattern; do grep -qE -e "$pattern" <<<"$output"; done
}

runs() { [ "$(lab exec "$1" runc state "$2" 2>/dev/null | jq -r .status)" = running ]; }
host_is() { [ "$(drover hosts --json | jq -r --arg id "$1" '.[] | select(.id == $id).state')" = "$2" ]; }

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 3
	lab ct beta seed --no-start
	lab ct-rm beta seed
	lab ct alpha web >/dev/null
	soon 10 known web
}

teardown_file() { lab down; }

@test "an unknown container" {
	run drover migrate wbe
	says 7 wbe
	run drover check wbe
	says 7 wbe
}

@test "an unknown host" {
	run drover migrate web --to betta
	says 7 betta
	runs alpha web
}

@test "the target is the source" {
	run drover migrate web --to alpha
	says 3 alpha
	runs alpha web
}

@test "a container that does not run" {
	lab ct alpha halted >/dev/null
	soon 10 known halted
	lab exec alpha runc kill halted KILL
	stopped() { [ "$(lab exec alpha runc state halted | jq -r .status)" = stopped ]; }
	soon 5 stopped
	run drover migrate halted --to beta
	says 3 halted
	lab ct-rm alpha halted
}

@test "the target's worker is gone" {
	lab kill gamma worker
	soon 20 host_is gamma dead || soon 1 host_is gamma suspect
	run drover migrate web --to gamma
	echo "exit $status: $output"
	[ "$status" = 3 ] || [ "$status" = 5 ]
	[[ $output == *gamma* ]]
	runs alpha web
	lab start gamma worker
	lab wait
}

@test "a command that is none, or an option that is none" {
	run drover migrat web
	says 2 'did you mean: drover migrate'
	run drover migrate web --tto beta
	says 2 tto
	run drover migrate
	says 2 CTR
}

# started WHAT FILE-OR-OPTION…: runs the daemon on gamma in the foreground, for what it says.
started() {
	local what=$1
	shift
	run lab exec gamma timeout 5 "drover-$what" "$@"
}

@test "a configuration with a mistake names file, line and the nearest option" {
	lab exec gamma sh -c 'sed "s/^bridge/brige/" /etc/drover/drover.conf >/run/bad.conf'
	line=$(lab exec gamma grep -n brige /run/bad.conf | cut -d : -f 1)
	started worker --config /run/bad.conf
	says 2 "/run/bad.conf:$line: " 'did you mean .{1,2}bridge'
	run lab exec gamma drover config --check /run/bad.conf
	says 2 "/run/bad.conf:$line: " 'did you mean .{1,2}bridge'
	lab exec gamma sh -c 'printf "[wroker]\nbridge = br0\n" >/run/bad.conf'
	started worker --config /run/bad.conf
	says 2 '/run/bad.conf:[12]: ' 'did you mean \[worker\]'
}

@test "a configuration that is named and absent" {
	started worker --config /run/there-is-none.conf
	says 2 /run/there-is-none.conf
}

no_worker() { ! lab exec gamma pgrep -x drover-worker >/dev/null; }

@test "a key file that others can read is not used" {
	lab exec gamma sh -c 'cp /etc/drover/node.key /run/node.key; chmod 644 /run/node.key
		sed "s|^key = /etc/drover/node.key|key = /run/node.key|" /etc/drover/drover.conf \
			>/run/open.conf'
	lab kill gamma worker
	soon 5 no_worker
	started worker --config /run/open.conf
	lab start gamma worker
	lab wait
	says 2 '/run/node.key can be read by others' 'chmod 600 /run/node.key'
}

@test "a node whose key is not the one in the roster is not let in" {
	lab kill gamma worker
	lab exec gamma sh -c 'cp -p /etc/drover/node.key /run/kept.key; rm /etc/drover/node.key
		drover keygen /etc/drover/node.key >/dev/null'
	soon 20 host_is gamma suspect # its host is seen by others
	lab start gamma worker
	sleep 2
	not_up() { ! host_is gamma up; }
	not_up
	lab kill gamma worker || true
	lab exec gamma sh -c 'cp -p /run/kept.key /etc/drover/node.key'
	lab start gamma worker
	lab wait
}

@test "a second coordinator at the same port says that it is taken" {
	run lab exec ctl timeout 5 setpriv --reuid drover --regid drover --init-groups \
		drover-coordinator
	echo "exit $status: $output"
	[ "$status" != 0 ]
	[ "$status" != 124 ]
	grep -qE '7400|7401|coordinator.sock|already|in use' <<<"$output"
	drover status >/dev/null
}

@test "no coordinator here" {
	run lab exec alpha drover status
	says 5 'is drover-coordinator running here'
}
