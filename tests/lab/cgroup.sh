# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# Control groups. Every process of a lab is below drover-lab-ID in the cgroup2 tree of the machine,
# a host in its own one, so that a host can be frozen and killed whole. Hosts mount cgroup2 only.
# Where the machine has v1 hierarchies as well, CRIU still sees them; see hybrid_config.

# cgroup_root: this machine's cgroup2 tree; where it has none, one of the lab's own.
cgroup_root() {
	findmnt -n -l -t cgroup2 -o SOURCE,TARGET |
		awk -v own="$state/cgroup" '$1 !~ /^drover-lab/ { print $2; own = ""; exit }
			END { if (own) print own }'
}

cgroups=$(cgroup_root)

cgroup_root_mount() {
	[ "$cgroups" = "$state/cgroup" ] || return 0
	mkdir -p "$cgroups"
	mount -t cgroup2 drover-lab "$cgroups"
}

host_cgroup() { echo "$cgroups/drover-lab-$id/$1"; }

# cgroups_v1: our own place in each v1 hierarchy of this machine, if it has any.
cgroups_v1() {
	local controllers path at
	while IFS=: read -r _ controllers path; do
		[ -n "$controllers" ] || continue
		at=$(findmnt -n -l -t cgroup -O "$controllers" -o TARGET | head -n 1) || true
		[ -z "$at" ] || echo "$at${path%/}"
	done </proc/self/cgroup
}

# host_cgroups NAME: makes its cgroup, and one in each v1 hierarchy below our own: a restore by
# crun makes the container's cgroups in all of them, and they must not land beside the lab. The
# list in the host's folder is what processes join.
host_cgroups() {
	local dir made
	host_cgroup "$1" >"$(host_folder "$1")/cgroups"
	while read -r dir; do
		made=$dir/drover-lab-$id/$1
		mkdir -p "$made"
		if [ -e "$dir/cpuset.cpus" ]; then
			cat "$dir/cpuset.cpus" >"$dir/drover-lab-$id/cpuset.cpus"
			cat "$dir/cpuset.mems" >"$dir/drover-lab-$id/cpuset.mems"
			cat "$dir/cpuset.cpus" >"$made/cpuset.cpus"
			cat "$dir/cpuset.mems" >"$made/cpuset.mems"
			echo 1 >"$made/cgroup.clone_children"
		fi
		echo "$made" >>"$(host_folder "$1")/cgroups"
	done <"$state/cgroups-v1"
	mkdir -p "$(host_cgroup "$1")"
}

# cgroups_thaw PART, cgroups_sweep PART: PART is "" for the lab, "/NAME" for one host: what CRIU
# may have frozen in a v1 hierarchy, which keeps it from dying, and what is left there at the end.
cgroups_thaw() {
	local file
	for file in $(cgroups_v1_find "$1" -name freezer.state); do echo THAWED >"$file"; done
}

cgroups_sweep() {
	cgroups_v1_find "$1" -type d -print0 | sort -rz | xargs -0r rmdir
}

cgroups_v1_find() {
	local part=drover-lab-$id$1 mounts
	shift
	mapfile -t mounts < <(findmnt -n -l -t cgroup -o TARGET)
	[ ${#mounts[@]} -gt 0 ] || return 0
	find "${mounts[@]}" \( -path "*/$part" -o -path "*/$part/*" \) "$@"
}

# host_join NAME: moves this shell into the host's cgroups.
host_join() {
	local dir
	while read -r dir; do
		echo "$BASHPID" >"$dir/cgroup.procs"
	done <"$(host_folder "$1")/cgroups"
}

# cgroup_end PART: kills all in it and below, waits until they are gone, removes it.
cgroup_end() {
	local cgroup=$cgroups/drover-lab-$id$1 tries
	[ -d "$cgroup" ] || return 0
	cgroups_thaw "$1"
	for ((tries = 0; tries < 500; tries++)); do
		echo 1 >"$cgroup/cgroup.kill"
		find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && return
		sleep 0.01
	done
	die "processes in $cgroup do not end"
}

# hybrid_config ETC: what CRIU must know where the machine has v1 hierarchies. It would make the
# container's cgroups there as well, and a crun container that was dumped paused would wake up in a
# frozen v1 freezer. The runtimes handle the cgroup2 part themselves.
hybrid_config() {
	[ -s "$state/cgroups-v1" ] || return 0
	mkdir -p "$1/criu"
	echo 'cgroup-dump-controller none' >"$1/criu/default.conf"
}
