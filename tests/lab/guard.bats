#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# A host that boots starts the containers that it knows of. One of them has moved away meanwhile.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 2 --run 1g
	lab ct beta seed --no-start
	lab ct-rm beta seed
	lab ct alpha web --mb 8
	soon 10 known web
}

teardown_file() { lab down; }

# left HOST: a bundle of that name which no move knows of, as a backup or another store may have it.
left() {
	# shellcheck disable=SC2016 # expanded there
	lab exec "$1" sh -c 'mkdir -p /var/lib/left && cd /var/lib/left && runc spec &&
		jq ".process.terminal = false | .process.args = [\"/bin/busybox\", \"sleep\", \"1000\"] |
			.root.path = \"/var/lib/ct/images/base\"" config.json >new && mv new config.json'
}

may_start() { lab exec "$1" drover-worker --may-start web; }

# autostart HOST: what an init system does at boot.
autostart() {
	lab exec "$1" sh -c 'drover-worker --may-start web || exit 0
		exec runc run -d --bundle /var/lib/left web </dev/null >/dev/null 2>&1'
}

runs() { lab exec "$1" runc list -q | grep -qx web; }
shown() { lab exec ctl drover "$1" "${@:3}" | grep -q -- "$2"; }

@test "what has moved away is not started by a host that boots, and what does not ask is found out" {
	[ "$(may_start alpha)" = "web may start here" ]
	lab exec ctl drover migrate web --to beta
	code=0
	said=$(may_start alpha) || code=$?
	[ "$code" = 3 ]
	[[ $said == "web must not start here: it moved to beta"* ]]
	[ "$(may_start beta)" = "web may start here" ]

	lab crash alpha
	lab boot alpha --no-drover
	left alpha
	[[ $(autostart alpha) == *"moved to beta"* ]]
	! runs alpha
	lab start alpha worker
	lab wait
	! runs alpha
	runs beta

	# Started without a question: said, in both lists, and left alone.
	lab exec alpha sh -c 'runc run -d --bundle /var/lib/left web </dev/null >/dev/null 2>&1'
	soon 15 shown ps "E-AWAY"
	soon 15 shown hosts "E-AWAY: web runs here, and is beta's" -o wide
	runs alpha

	# It was a new one: a person says so.
	lab kill alpha worker TERM
	soon 10 lab exec alpha drover-worker --new-name web
	[ "$(may_start alpha)" = "web may start here" ]
}
