#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Moves of running containers, judged by a client that is no part of drover: it sits on ctl, which
# is neither source nor target, keeps one connection, and wants each reply exactly once. ctl is
# also the host whose coordinator is killed; the client does not depend on it.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

# ct HOST NAME …: as lab ct, and drover has heard of it; workers look each second.
ct() {
	lab ct "$@"
	soon 10 known "$2"
}

# client_start NAME IP: its number is in $client, its report will be in $report.
client_start() {
	report=$BATS_TEST_TMPDIR/$1.report
	"$tool" client ctl "$2" --interval-ms 10 --out "$report" &
	client=$!
	sleep 0.3
}

# client_exact: ends it; nothing lost, nothing repeated, one connection, memory as it was.
client_exact() {
	kill "$client"
	wait "$client" || true
	cat "$report"
	[ "$(jq -c '[.exact, .lost, .repeated, .reordered, .reconnects, .broken, .verified]' \
		"$report")" = '[true,0,0,0,0,null,true]' ]
}

# migrate ARG…: exit code in $code, the job in $job, stderr in $errors. Never fails by itself.
migrate() {
	code=0
	errors=$BATS_TEST_TMPDIR/errors
	lab exec ctl drover migrate "$@" --json >"$BATS_TEST_TMPDIR/json" 2>"$errors" || code=$?
	job=$(job_in <"$BATS_TEST_TMPDIR/json")
	echo "migrate $*: exit $code, $(jq -c '{outcome, runs_on, error, fix}' <<<"$job")"
}

# job_in: the one job of a reply, {} when there is none.
job_in() { jq -c '[.. | objects | select(has("id") and has("container"))][0] // {}' 2>/dev/null; }

# job_now NAME: its latest job.
job_now() {
	lab exec ctl drover jobs --all --json 2>/dev/null |
		jq -c --arg name "$1" '[.[] | select(.container == $name)] | max_by(.id) // {}'
}
# Done, the clean-up too: another move of it would be E-BUSY before.
job_ended() { [ "$(job_now "$1" | jq -r .state)" = done ]; }

# moved HOST: what drover says of the last migrate.
moved() {
	cat "$errors"
	[ "$code" = 0 ]
	[ "$(jq -r .outcome <<<"$job")" = MOVED ]
	[ "$(jq -r .runs_on <<<"$job")" = "$1" ]
}

stayed() {
	cat "$errors"
	[ "$code" != 0 ]
	[ "$(jq -r .outcome <<<"$job")" = STAYED ]
	[ "$(jq -r .runs_on <<<"$job")" = "$1" ]
}

# places NAME: "alpha:running", a line for each copy that any runtime of any host knows of.
places() {
	local host
	for host in alpha beta gamma; do
		# shellcheck disable=SC2016 # expanded there
		lab exec "$host" sh -c 'for runtime in runc crun; do
			state=$($runtime state "$1" 2>/dev/null) &&
				echo "$2:$(echo "$state" | jq -r .status)"
		done; true' places "$1" "$host"
	done
}

lives_on() { [ "$(places "$1")" = "$2:running" ]; }
one_copy() { [[ $(places "$1") =~ ^[a-z]+:running$ ]]; }

# traces HOST: everything that a move makes on a host.
traces() {
	# shellcheck disable=SC2016 # expanded there
	lab exec "$1" sh -c '
		ip netns list | sed "s/^/netns /; s/ (id.*//"
		ip -o link | sed "s/^[0-9]*: \([^:@]*\).*/link \1/"
		nft list tables 2>/dev/null | sed "s/^/nft /"
		for folder in /run/drover/staging /run/drover/tickets /var/lib/ct/.drover; do
			[ ! -d "$folder" ] || find "$folder" -mindepth 1
		done
		ls -d /var/lib/ct/*/
		findmnt -n -l -o TARGET | grep -v "^/\(proc\|sys\|dev\|run/netns$\)" | sed "s/^/mount /"
		ls -d /sys/fs/cgroup/drover/*/ 2>/dev/null | sed "s/^/cgroup /"
		find /var/lib/drover/.ssh -type f -exec md5sum {} +
		runc list -q; crun list -q 2>/dev/null
		ps -eo comm= | grep -vx "sh\|ps\|sed\|grep\|sort\|nsenter\|setpriv" |
			sed "s/^/process /"' | sort
}

traces_are() { [ "$(traces "$1")" = "$(cat "$2")" ]; }

downtime() {
	echo "# $1: client's gap $(jq .max_gap_ms "$report") ms," \
		"drover's figure $(jq '.figures.frozen_us / 1000 | round' <<<"$job") ms" >&3
}

setup_file() {
	local host
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 3 --run 1g
	# The image that every container's overlay stands on is there on all hosts.
	for host in alpha beta gamma; do
		lab ct "$host" seed --no-start
		lab ct-rm "$host" seed
	done
}

teardown_file() { lab down; }

# What a failed test left must not fail the next.
teardown() {
	local host name
	if [ -z "${BATS_TEST_COMPLETED-}" ]; then
		lab ps
		for host in alpha beta gamma ctl; do
			echo "-- $host"
			lab log "$host" | tail -n 12
		done
	fi
	[ -z "${client-}" ] || kill "$client" 2>/dev/null || true
	for host in alpha beta gamma; do
		for name in $(lab exec "$host" sh -c 'ls /run/runc /run/crun 2>/dev/null |
				grep -v "^/" | sort -u'); do
			lab ct-rm "$host" "$name" || true
		done
		lab unfill "$host" /run/drover 2>/dev/null || true
	done
	return 0
}

# moves_alone RUNTIME OPTION…: drover chooses the target.
moves_alone() {
	local name=$1-auto ip host
	ip=$(ct alpha "$name" --runtime "$@" --mb 64)
	client_start "$name" "$ip"
	migrate "$name"
	host=$(jq -r .runs_on <<<"$job")
	[ "$host" = beta ] || [ "$host" = gamma ]
	moved "$host"
	sleep 0.3
	client_exact
	soon 5 lives_on "$name" "$host"
	downtime "$1, 64 MB"
}

@test "a runc container moves to a host that drover chose; the client misses nothing" {
	moves_alone runc
}

@test "a crun container moves to a host that drover chose; the client misses nothing" {
	moves_alone crun
}

@test "a container that writes a log and holds an unlinked file moves intact" {
	local ip lines
	ip=$(ct alpha writer --log --hold --rate 500)
	client_start writer "$ip"
	migrate writer --to beta
	moved beta
	sleep 0.3
	client_exact
	[[ $(jq -r .verify "$report") == *hold=good* ]]
	# Each reply left one line; none was lost with the last pass, none is there twice.
	lines=$(lab exec beta sort -u /var/lib/ct/writer/rootfs/var/log/srv.log | wc -l)
	[ "$lines" = "$(lab exec beta cat /var/lib/ct/writer/rootfs/var/log/srv.log | wc -l)" ]
	[ "$lines" -ge "$(jq .received "$report")" ]
	downtime "log and unlinked file"
}

@test "20 moves around three hosts, all exact, and nothing is left behind" {
	local hosts=(alpha beta gamma) host ip i
	for host in "${hosts[@]}"; do traces "$host" >"$BATS_TEST_TMPDIR/$host"; done
	ip=$(ct alpha round --mb 32 --rate 200)
	client_start round "$ip"
	for ((i = 1; i <= 20; i++)); do
		host=${hosts[i % 3]}
		migrate round --to "$host"
		moved "$host"
	done
	sleep 0.3
	client_exact
	lives_on round "$host"
	[ "$(lab exec ctl drover jobs --json | jq length)" = 0 ]
	downtime "largest of 20"
	# The host that it runs on has what a container needs, and so loses it with the container.
	lab ct-rm "$host" round
	for host in "${hosts[@]}"; do
		soon 10 traces_are "$host" "$BATS_TEST_TMPDIR/$host" || {
			traces "$host" | diff "$BATS_TEST_TMPDIR/$host" -
			return 1
		}
	done
}

@test "what cannot be restored at the target goes on at the source, connection and all" {
	local ip
	lab exec alpha sh -c 'echo here only >/srv/only-on-alpha'
	ip=$(ct alpha bound --bind /srv/only-on-alpha)
	client_start bound "$ip"
	migrate bound --to beta --skip mounts
	stayed alpha
	[ "$code" = 8 ]
	sleep 0.3
	client_exact
	soon 5 lives_on bound alpha
	downtime "failed restore"
	# what, why, fix, where
	grep -q '^drover: bound was not moved' "$errors"
	grep -q '^  why: .*only-on-alpha' "$errors"
	grep -q '^  fix: .' "$errors"
	grep -q '^  bound runs on alpha' "$errors"
}

@test "the coordinator is killed at any moment: MOVED or STAYED, one copy, client exact" {
	local ip pause host=alpha other
	ip=$(ct alpha orphan --mb 64)
	client_start orphan "$ip"
	for pause in 0.05 0.15 0.25 0.35 0.45 0.6; do
		other=beta
		[ "$host" = alpha ] || other=alpha
		migrate orphan --to "$other" --detach
		[ "$code" = 0 ]
		sleep $pause
		lab kill ctl coordinator
		sleep 0.2
		lab start ctl coordinator
		lab wait
		soon 60 job_ended orphan || { lab log ctl | tail -n 20; return 1; }
		job=$(job_now orphan)
		echo "killed after $pause s: $(jq -c '{outcome, runs_on, error}' <<<"$job")"
		[[ $(jq -r .outcome <<<"$job") =~ ^(MOVED|STAYED)$ ]]
		host=$(jq -r .runs_on <<<"$job")
		soon 10 one_copy orphan || { places orphan; return 1; }
		lives_on orphan "$host"
	done
	sleep 0.3
	client_exact
}

@test "the target's worker is killed while the payload comes in: STAYED, client exact" {
	local ip
	# Slow enough that a second lies within the first pass.
	lab rate alpha 200
	ip=$(ct alpha victim --mb 128)
	client_start victim "$ip"
	migrate victim --to beta --detach
	[ "$code" = 0 ]
	sleep 1.5
	lab kill beta worker
	sleep 0.5
	lab start beta worker
	soon 60 job_ended victim || { lab log ctl | tail -n 20; return 1; }
	lab rate alpha 0
	job=$(job_now victim)
	jq -c '{outcome, runs_on, error, fix}' <<<"$job"
	[ "$(jq -r .outcome <<<"$job")" = STAYED ]
	[ "$(jq -r .runs_on <<<"$job")" = alpha ]
	sleep 0.3
	client_exact
	soon 10 lives_on victim alpha
	lab wait
}

@test "the target's staging is full: STAYED, staging wiped, client exact" {
	local ip
	ip=$(ct alpha large --mb 64)
	client_start large "$ip"
	# Room for a part of it: it fails in the middle, not at the start.
	lab fill beta /run/drover
	lab exec beta truncate -s -16M /run/drover/.lab-fill
	migrate large --to beta --skip memory,disk
	lab unfill beta /run/drover
	stayed alpha
	sleep 0.3
	client_exact
	lives_on large alpha
	[ -z "$(lab exec beta sh -c 'find /run/drover/staging /run/drover/tickets -mindepth 1 ! -name tell.sock 2>/dev/null')" ]
}

@test "a container that listens at its host's address is refused, with the way around" {
	ct alpha listens --net none --port 7200
	migrate listens --to beta
	[ "$code" = 3 ]
	grep -q E-NET-HOST "$errors" "$BATS_TEST_TMPDIR/json"
	lives_on listens alpha
}

@test "containers with a network of their own or the host's move" {
	local net skip
	for net in private none; do
		ct alpha "net-$net" --net $net --port $((7100 + ${#net}))
		# Listening at a host's address is refused, for clients would not find it again.
		skip=()
		[ $net = private ] || skip=(--skip network)
		migrate "net-$net" --to beta "${skip[@]}"
		moved beta
		soon 5 lives_on "net-$net" beta
		lab ct-rm beta "net-$net"
	done
}
