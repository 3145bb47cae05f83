# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# What faults.bats and soak judge a lab by: drover's own word on a job, the journals of both sides,
# and what is really there. Needs $hosts (those that containers may be on).

# shellcheck source=tests/lab/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# job_now NAME: the latest job of a container, {} when there is none.
job_now() {
	lab exec ctl drover jobs --all --json 2>/dev/null |
		jq -c --arg name "$1" '[.[] | select(.container == $name)] | max_by(.id) // {}'
}

# shown_on NAME: where `drover ps` has it run, "" for nowhere.
shown_on() {
	lab exec ctl drover ps --json | jq -r --arg id "$1" \
		'[.[] | select(.container.id == $id and .container.status == "running").host] | join(" ")'
}
shown_is() { [ "$(shown_on "$1")" = "$2" ]; }

# copies NAME: "alpha:running" for each host where a runtime knows of it; "alpha:task" for each task
# in a cgroup of that name, whoever knows of it. A host that is down has none.
copies() {
	local host
	for host in "${hosts[@]}"; do
		# shellcheck disable=SC2016 # expanded there
		lab exec "$host" sh -c '
			for runtime in runc crun; do
				[ ! -d "/run/$runtime/$2" ] ||
					echo "$1:$($runtime state "$2" 2>/dev/null | jq -r .status)"
			done
			sed "s/.*/$1:task/" "/sys/fs/cgroup/drover/ct-$2/cgroup.procs" 2>/dev/null
			true' copies "$host" "$1" 2>/dev/null || true
	done | tr '\n' ' '
}
copies_are() { [ "$(copies "$1")" = "$2" ]; }

# leftovers NAME ID WHERE: what the job has made and must not leave; on a host that it does not run
# on, its bundle and network as well. Workers look at containers with a runtime at any time.
leftovers() {
	local host
	for host in "${hosts[@]}"; do
		# shellcheck disable=SC2016 # expanded there
		lab exec "$host" sh -c '{
			ls -d "/run/drover/staging/$2" "/run/drover/tickets/$2"* "/var/lib/ct/.drover/$2"
			pgrep -lx "criu|drover-hook"
			pgrep -af "^([^ ]*/)?(runc|crun) (.* )?(checkpoint|restore|delete)( |$)"
			[ "$1" = "$4" ] || ls -d "/var/lib/ct/$3" "/run/netns/$3"
			} 2>/dev/null | sed "s/^/$1: /"' leftovers "$host" "$2" "$1" "$3"
	done
}
no_leftovers() { [ -z "$(leftovers "$@")" ]; }

# row HOST ID: the state that its journal has of a migration; "none" when it knows nothing of it.
row() {
	local state
	state=$(lab journal "$1" | jq -r --arg id "$2" 'select(.migration == $id).state')
	echo "${state:-none}"
}
row_is() { [[ " $3 " == *" $(row "$1" "$2") "* ]]; }

# journals_fit ID SOURCE TARGET: the table of DESIGN.md §4; own and held are alike in it, and what a
# target has reserved is nothing yet.
journals_fit() {
	local pair
	pair="$(row "$2" "$1") $(row "$3" "$1")"
	case $pair in
	"none none" | "none reserved" | "none refused") ;;
	"own "* | "held "*) [[ $pair != *running ]] ;;
	"released "*) ;;
	"done running" | "done lost") ;;
	*) false ;;
	esac || {
		echo "journals of $1: $2 $3 say $pair"
		return 1
	}
}
