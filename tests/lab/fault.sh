# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# What the tests of faults.bats are made of: a container on $S with a client on gamma, its move to
# $T that stops where something is to fail, and how it must have ended.

# --- the container and its client ---

container_new() {
	local host number
	for host in "${hosts[@]}"; do
		[ -z "${name-}" ] || lab ct-rm "$host" "$name" || true
	done
	number=$(($(cat "$BATS_FILE_TMPDIR/number" 2>/dev/null || echo 0) + 1))
	echo $number >"$BATS_FILE_TMPDIR/number"
	name=c$number S=alpha T=beta
	ip=$(lab ct $S "$name" --mb 32 --rate 100 --probe)
	soon 10 known "$name"
}

# roomy: the coordinator has heard that both hosts have room; a beat from before an unfill has not.
roomy() {
	lab exec ctl drover hosts --json | jq -e --arg s "$S" --arg t "$T" '
		[.[] | select(.id == $s or .id == $t)
			| .staging_free_bytes > 60000000 and .storage_free_bytes > 60000000]
		| length == 2 and all' >/dev/null
}

# container: the one that the last test left, or a new one; in $name, $S, $T, $ip. Its client starts.
container() {
	read -r name S T ip ok 2>/dev/null <"$BATS_FILE_TMPDIR/container" || true
	[ -n "${ok-}" ] || container_new
	soon 20 roomy
	echo "$name $S $T $ip" >"$BATS_FILE_TMPDIR/container"
	report=$BATS_TEST_TMPDIR/report
	"$tool" client gamma "$ip" --interval-ms 10 --drain-ms 5000 --probe --out "$report" &
	client=$!
	sleep 0.2
}

client_end() {
	kill "$client" || true
	wait "$client" || true
	client=
	cat "$report"
}

client_exact() {
	sleep 0.2
	client_end
	[ "$(jq -c '[.exact, .lost, .repeated, .reordered, .broken, .verified, .went_back]' \
		"$report")" = '[true,0,0,0,null,true,0]' ]
	[ "$(jq .probe_replies "$report")" -gt 0 ]
}

# --- the move ---

# ask: it begins; its id in $id, from its first answer: a coordinator that stops has no second one.
ask() {
	id=$(drover migrate "$name" --to "$T" --detach --json | jq -r '.. | .id? // empty' | head -n 1)
	[ -n "$id" ]
}

# stops HOST WHAT POINT: asks for the move and returns when the daemon has come to the point.
stops() {
	lab pause "$1" "$2" "$3"
	ask
	lab paused "$1" "$2"
	stopped="$1 $2"
}

# goes_on: what had stopped.
goes_on() {
	# shellcheck disable=SC2086 # two words
	lab go $stopped
	stopped=
}

told() { [ "$(job_now "$name" | jq -r '.outcome // "none"')" = "$1" ]; }
undoes() { job_now "$name" | jq -e '.error != null' >/dev/null; }
# An outcome may be told while the clean-up still waits for a host.
ended() {
	job=$(job_now "$name")
	[[ $(jq -r '.outcome // empty' <<<"$job") =~ ^(MOVED|STAYED|LOST)$ ]] &&
		[[ $(jq -r .state <<<"$job") != [rw]* ]]
}

# criu_dies HOST: what had stopped goes on, and the first CRIU that it starts dies.
criu_dies() {
	local at=$1 killer
	# Not one that the worker's own probe started.
	lab exec "$at" sh -c 'until pkill -KILL -f "^([^ ]*/)?criu(:| swrk)"; do :; done' &
	killer=$!
	goes_on
	wait $killer
}

up() {
	lab boot "$1"
	lab wait
}

cut_all() {
	lab cut ctl alpha
	lab cut ctl beta
	lab cut alpha beta
}

# --- the end ---

# ends OUTCOME…: the job in one of these, and what both journals say.
ends() {
	soon 40 ended || true
	echo "job: $(jq -c '{outcome, state, step, runs_on, error, fix, waiting_for}' <<<"$job")"
	ended
	[[ " $* " == *" $(jq -r .outcome <<<"$job") "* ]]
	journals_fit "$id" "$S" "$T"
}

# runs HOST: there and nowhere else, and for its client nothing has happened.
runs() {
	[ "$(jq -r .runs_on <<<"$job")" = "$1" ]
	soon 5 copies_are "$name" "$1:running $1:task " || { copies "$name"; return 1; }
	client_exact
	soon 5 shown_is "$name" "$1" || { shown_on "$name"; return 1; }
	soon 5 no_leftovers "$name" "$id" "$1" || { leftovers "$name" "$id" "$1"; return 1; }
	[ "$1" = "$S" ] || { T=$S S=$1; }
	echo "$name $S $T $ip ok" >"$BATS_FILE_TMPDIR/container"
}

# late: this machine was too busy for S to get through its hold in time, and S went on by itself.
late() { lab log "$S" | grep "the hold deadline passed" | grep -q "migration=$id"; }

moved() {
	ends MOVED STAYED
	if [ "$(jq -r .outcome <<<"$job")" = STAYED ]; then
		late
		echo "# its hold was over before it could move: STAYED" >&3
		runs "$S"
	else
		runs "$T"
	fi
}

stayed() {
	ends STAYED
	runs "$S"
}

# either: both are right, and what is told is what is.
either() {
	ends MOVED STAYED
	if [ "$(jq -r .outcome <<<"$job")" = MOVED ]; then
		runs "$T"
	else
		runs "$S"
	fi
}

# nobody: it went with its host; what is left of the move is not.
nobody() {
	soon 5 copies_are "$name" "" || { copies "$name"; return 1; }
	soon 5 shown_is "$name" "" || { shown_on "$name"; return 1; }
	client_end
	[ "$(jq .went_back "$report")" = 0 ]
	soon 5 no_leftovers "$name" "$id" "$S" || { leftovers "$name" "$id" "$S"; return 1; }
}

# frozen: whole on S, for a person to decide, and nowhere else.
frozen() {
	soon 5 copies_are "$name" "$S:paused $S:task " || { copies "$name"; return 1; }
	soon 5 shown_is "$name" "" || { shown_on "$name"; return 1; }
	client_end
	[ "$(jq .went_back "$report")" = 0 ]
}
