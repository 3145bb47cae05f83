#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# What a cluster's administrators set up: the target's own programs before and after an arrival,
# maintenance windows, and a configuration that is changed while the daemons run.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

# hook EVENT NAME [HOST]: on beta, its text from stdin.
hook() {
	# shellcheck disable=SC2016 # expanded there
	lab exec "${3:-beta}" sh -c 'mkdir -p "/etc/drover/hooks/$1.d" &&
		cat >"/etc/drover/hooks/$1.d/$2" && chmod 755 "/etc/drover/hooks/$1.d/$2"' hook "$1" "$2"
}

# On the host's own storage: what a hook wrote there, in order.
wrote() { lab exec "${1:-beta}" cat /var/log/drover/hooks 2>/dev/null; }
wrote_it() { wrote | grep -q "$1"; }

# migrate ARG…: exit code in $code, the job in $job.
migrate() {
	code=0
	drover migrate "$@" --json >"$BATS_TEST_TMPDIR/json" 2>"$BATS_TEST_TMPDIR/errors" || code=$?
	job=$(jq -c '[.. | objects | select(has("id") and has("container"))][0] // {}' "$BATS_TEST_TMPDIR/json")
	echo "migrate $*: exit $code, $(jq -c '{outcome, runs_on, error}' <<<"$job")"
}

# drains KIND: how many evacuations, restores … of a window are over.
drains() {
	drover history --json | jq --arg kind "$1" \
		'[.[] | select(.kind == $kind and (.user | startswith("window ")))] | length'
}
drained() { [ "$(drains "$1")" = "$2" ]; }

client_exact() {
	kill "$client"
	wait "$client" || true
	[ "$(jq -c '[.exact, .lost, .repeated, .reconnects, .broken, .verified]' "$report")" = \
		'[true,0,0,0,null,true]' ]
}

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 2 --run 1g
	lab ct beta seed --no-start
	lab ct-rm beta seed
	lab wait
}

teardown_file() { lab down; }

setup() {
	local ip
	for host in alpha beta; do
		lab exec "$host" sh -c 'rm -rf /etc/drover/hooks /var/log/drover/hooks'
	done
	ip=$(lab ct alpha web --mb 8)
	soon 10 eval 'drover ps -o plain | grep -q "^web"'
	report=$BATS_TEST_TMPDIR/report
	"$tool" client ctl "$ip" --interval-ms 10 --out "$report" 3>&- &
	client=$!
	sleep 0.3
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED-}" ]; then
		cat "$BATS_TEST_TMPDIR/errors" || true
		lab log beta | tail -n 20
	fi
	kill "$client" 2>/dev/null || true
	for host in alpha beta; do lab ct-rm "$host" web 2>/dev/null || true; done
}

@test "they run in order, with what they need to know" {
	hook pre-restore 20-second <<<'#!/bin/sh
echo "second $1" >>/var/log/drover/hooks'
	hook pre-restore 10-first <<<'#!/bin/sh
echo "first $* ip=$DROVER_IP mac=$DROVER_MAC job=$DROVER_JOB" >>/var/log/drover/hooks'
	hook post-restore tell <<<'#!/bin/sh
echo "after $DROVER_CONTAINER $DROVER_OUTCOME" >>/var/log/drover/hooks'
	migrate web --to beta
	[ "$code" = 0 ]
	client_exact
	soon 10 wrote_it after
	wrote
	[[ $(wrote | sed -n 1p) == "first pre-restore web alpha beta ip=10."*" mac="*" job=$(jq -r .id <<<"$job")" ]]
	[ "$(wrote | sed -n 2p)" = "second pre-restore" ]
	[ "$(wrote | sed -n 3p)" = "after web MOVED" ]
}

@test "a pre-restore hook that fails refuses: STAYED, its words are told, failed-restore runs" {
	hook pre-restore guard <<<'#!/bin/sh
echo "the licence server says no" >&2; exit 7'
	hook failed-restore tell <<<'#!/bin/sh
echo "failed $DROVER_CONTAINER $DROVER_OUTCOME" >>/var/log/drover/hooks'
	migrate web --to beta
	[ "$code" = 8 ]
	[ "$(jq -r .outcome <<<"$job")" = STAYED ]
	[[ $(jq -r .error <<<"$job") == *"pre-restore hook guard"*"the licence server says no"* ]]
	client_exact
	soon 10 wrote_it "failed web STAYED"
	[ "$(lab exec alpha runc state web | jq -r .status)" = running ]
}

@test "one that hangs is ended, one that others may write is not run: STAYED" {
	lab kill beta worker
	lab exec beta sh -c 'printf "[worker]\nhook_timeout = 500ms\n" >>/etc/drover/drover.conf'
	lab start beta worker
	lab wait
	hook pre-restore hang <<<'#!/bin/sh
sleep 60'
	migrate web --to beta
	[ "$code" = 8 ]
	[[ $(jq -r .error <<<"$job") == *"pre-restore hook hang"* ]]
	lab exec beta rm /etc/drover/hooks/pre-restore.d/hang
	hook pre-restore open <<<'#!/bin/sh
true'
	lab exec beta chmod 777 /etc/drover/hooks/pre-restore.d/open
	migrate web --to beta
	[ "$code" = 8 ]
	[[ $(jq -r .error <<<"$job") == *"is not root's alone"* ]]
	client_exact
	[ "$(lab exec alpha runc state web | jq -r .status)" = running ]
}

@test "an evacuation: its host's hooks before and after; one that says no is the end of it" {
	local id
	hook pre-evacuate 10-balancer alpha <<<'#!/bin/sh
echo "before $* $DROVER_HOST $DROVER_REASON $DROVER_CONTAINERS" >>/var/log/drover/hooks
echo "taken off the balancer"'
	hook pre-evacuate 20-quorum alpha <<<'#!/bin/sh
echo "no quorum" >&2; exit 7'
	hook post-evacuate 10-tell alpha <<<'#!/bin/sh
echo "after $* $DROVER_OUTCOME $DROVER_MOVED/$DROVER_LEFT" >>/var/log/drover/hooks; exit 1'
	code=0
	drover evacuate alpha -m "new disk" -y &>"$BATS_TEST_TMPDIR/errors" || code=$?
	[ "$code" = 3 ]
	grep -q "not begun: alpha: the pre-evacuate hook 20-quorum.*no quorum" "$BATS_TEST_TMPDIR/errors"
	[ "$(drover hosts --json | jq '.[] | select(.id == "alpha") | .cordoned // false')" = false ]
	[ "$(wrote alpha | tail -n 1)" = "after post-evacuate alpha NOT_BEGUN 0/1" ]
	lab exec alpha rm /etc/drover/hooks/pre-evacuate.d/20-quorum
	drover evacuate alpha -m "new disk" -y
	[ "$(wrote alpha | tail -n 2)" = "before pre-evacuate alpha alpha new disk 1
after post-evacuate alpha EMPTY 1/0" ]
	id=$(drover history --json | jq -r '[.[] | select(.kind == "evacuate")][0].id')
	drover job "$id" --log | tee "$BATS_TEST_TMPDIR/errors"
	grep -q "taken off the balancer" "$BATS_TEST_TMPDIR/errors"
	grep -q "post-evacuate hook 10-tell: failed" "$BATS_TEST_TMPDIR/errors"
	drover restore alpha -y
	code=0
	client_exact
}

# reload HOST WHAT: its drover.conf is what it was at first, with the lines from stdin behind it.
reload() {
	# shellcheck disable=SC2016 # expanded there
	lab exec "$1" sh -c '[ -e /run/first.conf ] || cp /etc/drover/drover.conf /run/first.conf
		cat /run/first.conf - >/etc/drover/drover.conf'
	lab kill "$1" "$2" HUP
}

@test "a maintenance window: its host is emptied once, the coordinator killed in it, and filled again" {
	code=0
	printf '[window night]\nhosts = alpha\nwhen = %s UTC\nduration = 15s\nreason = new disk\n' \
		"$(date -u -d '+4 seconds' '+%F %T')" | reload ctl coordinator
	soon 10 eval 'drover status | grep -q "night  open until .*: alpha open  new disk"'
	lab kill ctl coordinator
	lab start ctl coordinator
	soon 60 drained restore 1
	drained evacuate 1
	[ "$(drover history --json | jq -c '[.[] | select(.kind != "migrate" and
		(.user | startswith("window ")))] | map([.kind, .phase])')" = \
		'[["restore","1 of 1 moved"],["evacuate","1 of 1 moved"]]' ]
	[ "$(lab exec alpha runc state web | jq -r .status)" = running ]
	client_exact
}

@test "SIGHUP: policies and labels are in force at once; a file that is wrong changes nothing" {
	reload ctl coordinator <<<$'[policy still]\nmatch = web\nmove = never'
	drover check web | grep -q "policy still: move = never"
	reload ctl coordinator <<<$'[policy still]\nmatch = web\nmove = nevr'
	soon 5 eval 'drover status | grep -q "not taken: .*drover.conf:[0-9]*: \[policy still\]: move: .nevr. is"'
	drover check web | grep -q "policy still: move = never"
	reload ctl coordinator </dev/null
	soon 5 eval '! drover check web | grep -q "policy still"'
	! drover status | grep -q "not taken"
	reload beta worker <<<$'[worker]\nlabels = rack=z\nhook_timeout = soon'
	soon 5 eval 'drover status | grep -q "^beta .*E-CONFIG: its configuration was not taken"'
	[ "$(drover hosts --json | jq -c '[.[] | select(.id == "beta") | .labels[]?]')" = '[]' ]
	reload beta worker <<<$'[worker]\nlabels = rack=z'
	soon 5 eval 'drover hosts --json | jq -e ".[] | select(.id == \"beta\") | .labels == [\"rack=z\"] and
		(.problems // []) == []"'
	migrate web --to beta
	[ "$code" = 0 ]
	client_exact
}
