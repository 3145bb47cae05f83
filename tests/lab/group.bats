#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Two containers of one group (label drover.group, one network namespace, one volume), each with a
# client that keeps one connection and wants each reply exactly once: they are on one host after
# whatever happens, both or none moved.

bats_require_minimum_version 1.5.0
# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

members=(web api)

clients_start() {
	local name
	for name in "${members[@]}"; do
		"$tool" client ctl "$(cat "$BATS_FILE_TMPDIR/$name.ip")" --interval-ms 10 \
			--out "$BATS_TEST_TMPDIR/$name" 3>&- &
		echo $! >"$BATS_TEST_TMPDIR/$name.pid"
	done
	sleep 0.3
}

clients_exact() {
	local name pid
	sleep 0.2
	for name in "${members[@]}"; do
		pid=$(cat "$BATS_TEST_TMPDIR/$name.pid")
		kill "$pid"
		wait "$pid" || true
		soon 5 jq -e . "$BATS_TEST_TMPDIR/$name" >/dev/null
		[ "$(jq -c '[.exact, .lost, .repeated, .reordered, .broken, .verified]' \
			"$BATS_TEST_TMPDIR/$name")" = '[true,0,0,0,null,true]' ] ||
			{ echo "$name: $(cat "$BATS_TEST_TMPDIR/$name")"; return 1; }
	done
}

# Where their tasks run, as the runtimes say: "web alpha api alpha".
truth() {
	local host name
	for name in "${members[@]}"; do
		for host in alpha beta gamma; do
			lab exec "$host" runc list -f json 2>/dev/null | jq -r --arg n "$name" \
				--arg h "$host" '.[]? | select(.id == $n and .status == "running") | $n + " " + $h'
		done
	done | xargs
}
truth_is() { [ "$(truth)" = "$1" ]; }
together_on() { soon 15 truth_is "web $1 api $1" || { truth; return 1; }; }

over() { [ "$(drover jobs --json | jq length)" = 0 ]; }
knows() { [ "$(drover ps --json | jq --arg h "$1" '[.[] | select(.host == $h and .container.status == "running")] | length')" = "$2" ]; }

setup_file() {
	local name
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 3 --static --run 1g
	lab exec alpha sh -c 'echo here only >/srv/only-on-alpha'
	for name in "${members[@]}"; do
		lab ct alpha "$name" --label drover.group=shop >"$BATS_FILE_TMPDIR/$name.ip"
	done
	lab wait
	soon 10 knows alpha 2
}

teardown_file() { lab down; }
setup() { export DROVER_LAB=$BATS_FILE_TMPDIR/lab; }

teardown() {
	local pid
	for pid in "$BATS_TEST_TMPDIR"/*.pid; do
		[ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
	done
}

@test "the two of a group move together, and their clients notice nothing" {
	clients_start
	run -0 drover migrate web --to beta
	[[ $output == *"web moves with api: group shop"* ]]
	[[ $output == *"group shop: frozen for"* ]]
	together_on beta
	clients_exact
}

# dies HOST POINT: its worker kills itself there while the group moves from beta to alpha.
dies() {
	local pid
	soon 10 knows beta 2
	clients_start
	lab kill "$1" worker
	lab start "$1" worker --crash "$2"
	pid=$(lab exec "$1" cat /run/lab-worker.pid)
	soon 10 knows beta 2
	soon 10 drover migrate web --to alpha --detach
	soon 20 eval "! lab exec $1 test -d /proc/$pid"
	lab start "$1" worker
	soon 40 over
}

@test "a source that dies before the record of the release: both stay" {
	dies beta worker.released.record
	together_on beta
	clients_exact
}

@test "a target that dies before it has recorded that they run: both stay" {
	dies alpha worker.running.record
	together_on beta
	clients_exact
}

@test "a source that dies behind that record: both are moved" {
	dies beta worker.released.recorded
	together_on alpha
	clients_exact
}

@test "evacuate keeps them together" {
	soon 10 knows alpha 2
	clients_start
	drover evacuate alpha -y
	drover uncordon alpha
	[[ "$(truth)" =~ ^web\ (beta|gamma)\ api\ (beta|gamma)$ ]]
	[ "$(truth | cut -d' ' -f2)" = "$(truth | cut -d' ' -f4)" ]
	clients_exact
}

@test "one that cannot be restored: both stay" {
	local name
	for name in "${members[@]}"; do
		lab ct-rm "$(truth | cut -d' ' -f2)" "$name"
	done
	lab ct alpha web --label drover.group=mall >"$BATS_FILE_TMPDIR/web.ip"
	lab ct alpha api --label drover.group=mall --bind /srv/only-on-alpha >"$BATS_FILE_TMPDIR/api.ip"
	soon 10 knows alpha 2
	clients_start
	run ! drover migrate web --to beta --skip mounts
	[[ $output == *"api"* ]]
	together_on alpha
	clients_exact
}

# in_netns_of NAME: a change of config.json that joins its namespace.
in_netns_of() {
	echo ".linux.namespaces |= map(if .type == \"network\" then .path = \"/run/netns/$1\" else . end)"
}

groups_are() { # HOST NAME
	[ "$(drover ps --json | jq -c --arg h "$1" '[.[] | select(.host == $h) | .group]')" = "[\"$2\",\"$2\"]" ]
}

# api is a client of web by 127.0.0.1: what no gate keeps back while one of them is frozen.
@test "two in one network namespace are a group by themselves, and so is what they say to each other" {
	local pid report
	for name in "${members[@]}"; do
		lab ct-rm "$(truth | cut -d' ' -f2)" "$name"
	done
	lab ct alpha web >"$BATS_FILE_TMPDIR/web.ip"
	lab ct alpha api --net private --no-start --set "$(in_netns_of web)
		| .process.args = [\"/bin/sh\", \"-c\",
			\"exec /bin/client 127.0.0.1:7000 --interval-ms 1 >/report\"]"
	lab exec alpha sh -c 'cp /usr/lib/drover-lab/client /var/lib/ct/api/rootfs/bin/ &&
		runc run --detach --bundle /var/lib/ct/api api </dev/null >/dev/null 2>/dev/null'
	soon 30 groups_are alpha /run/netns/web
	local members=(web)
	clients_start

	lab kill beta worker
	lab start beta worker --crash worker.running.record
	pid=$(lab exec beta cat /run/lab-worker.pid)
	soon 10 drover migrate api --to beta --detach
	soon 20 eval "! lab exec beta test -d /proc/$pid"
	lab start beta worker
	soon 40 over
	lab exec alpha runc list -q | sort | xargs | grep -qx 'api web'

	soon 30 groups_are alpha /run/netns/web
	run -0 drover migrate api --to beta
	[[ $output == *"api moves with web: group /run/netns/web"* ]]
	[ -z "$(lab exec alpha sh -c 'ip netns; ip -br link | grep ^v || true')" ]

	# One that is no container cannot follow.
	pid=$(lab exec beta sh -c 'ip netns exec web sleep 30 >/dev/null 2>&1 3>&- & echo $!')
	run -3 drover migrate web --to alpha
	[[ $output == *E-SHARED-NETNS* ]]
	lab exec beta kill "$pid"

	clients_exact
	lab exec beta runc kill api TERM
	report=/var/lib/ct/api/rootfs/report
	soon 5 lab exec beta jq -e '.exact and .verified and .received > 1000' "$report"
	lab exec beta runc delete -f api
}

@test "two that write to one volume are a group, where it is not neither goes" {
	lab ct-rm beta api
	lab ct-rm beta web
	lab exec alpha sh -c 'mkdir /srv/both && echo data >/srv/both/file'
	for name in "${members[@]}"; do
		lab ct alpha "$name" --bind /srv/both >"$BATS_FILE_TMPDIR/$name.ip"
	done
	soon 30 groups_are alpha /srv/both
	run -3 drover check web --to beta --json
	[ "$(jq -c '.rules.moves_with' <<<"$output")" = '["api"]' ]
	jq -e '.candidates[0].reasons[] | select(.code == "E-MOUNT")' <<<"$output"
	lab exec beta mkdir /srv/both
	clients_start
	drover migrate web --to beta --skip policy
	together_on beta
	clients_exact
}
