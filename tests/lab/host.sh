# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# Hosts: a folder $state/hosts/NAME with what survives a crash, a cgroup, a network namespace, and
# the processes in them. A host is alive exactly when its cgroup has processes.

marker=$state/drover-lab

host_folder() { echo "$state/hosts/$1"; }
hosts_all() { ls "$state/hosts" 2>/dev/null || true; }

host_known() { [ -d "$state/hosts/$1" ] || die "no such host in this lab: $1"; }

host_alive() {
	grep -q 'populated 1' "$(host_cgroup "$1")/cgroup.events" 2>/dev/null
}

host_pid() {
	host_known "$1"
	host_alive "$1" || die "$1 is down"
	cat "$(host_folder "$1")/pid"
}

# close_files FIRST: what the caller of this tool has open from FIRST on is not for the hosts; a
# lock or a pipe that a daemon kept open would never end. Bash's own 255 closes by itself.
close_files() {
	local file
	for file in /proc/"$BASHPID"/fd/*; do
		file=${file##*/}
		[ "$file" -lt "$1" ] || [ "$file" = 255 ] || eval "exec $file>&-"
	done
}

# host_enter NAME NSENTER-OPTION… -- CMD…: replaces this shell.
host_enter() {
	local name=$1 pid
	shift
	pid=$(host_pid "$name")
	host_join "$name"
	close_files 3
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		TERM="${TERM:-dumb}" \
		nsenter -t "$pid" --mount --uts --ipc --net --cgroup --root --wd "$@"
}

# host_become NAME CMD…: replaces this shell by a command there, which ends with it.
host_become() {
	local name=$1
	shift
	host_enter "$name" --pid -- setpriv --pdeathsig TERM -- "$@"
}

host_exec() { (host_become "$@"); }

# host_write NAME FILE [MODE [OWNER]]: stdin becomes a file of the host.
host_write() {
	# shellcheck disable=SC2016 # expanded there
	host_exec "$1" sh -c 'umask 077; mkdir -p "${1%/*}"; cat >"$1.new"
		chown "$3" "$1.new"; chmod "$2" "$1.new"; mv "$1.new" "$1"' \
		write "$2" "${3:-644}" "${4:-root:root}"
}

# host_make NAME: its folder, with filesystems of a known size for what it stores.
host_make() {
	local folder
	folder=$(host_folder "$1")
	mkdir -p "$folder"/{up,ct,lib,root}
	mount -t tmpfs -o mode=755 "drover-lab-$id" "$folder/up"
	mkdir "$folder"/up/{upper,work}
	mount -t tmpfs -o "mode=755,size=$disk_size" "drover-lab-$id" "$folder/ct"
	mount -t tmpfs -o "mode=700,size=$state_size" "drover-lab-$id" "$folder/lib"
	host_files "$1"
}

# meter_start: hosts that have a folder `load` when they boot read it, see init.sh and meter.c.
meter_start() {
	local name file
	for name in "${hosts[@]}"; do
		mkdir "$(host_folder "$name")/load"
		for file in stat loadavg meminfo; do
			: >"$(host_folder "$name")/load/$file"
		done
		echo 0 >"$(host_folder "$name")/load/online"
	done
	mkdir -p "$(host_cgroup meter)"
	(
		echo "$BASHPID" >"$(host_cgroup meter)/cgroup.procs"
		close_files 3
		exec setsid "$state/stage/usr/lib/drover-lab/meter" "$cgroups/drover-lab-$id" \
			"$state/hosts" </dev/null >"$state/meter.log" 2>&1
	) &
}

# host_launch NAME: starts it; host_ready waits. Two steps, so that hosts boot at the same time.
host_launch() {
	local name=$1 folder lower
	folder=$(host_folder "$name")
	lower=$(cat "$state/root")
	[ ! -d "$state/stage" ] || lower=$state/stage:$lower
	net_host_up "$name"
	host_cgroups "$name"
	rm -f "$folder/ready"
	mkfifo "$folder/ready"
	(
		host_join "$name"
		exec 3<>"$folder/ready"
		close_files 4
		exec env -i PATH="$PATH" setsid nsenter --net="/run/netns/$(net_ns "$name")" \
			unshare --mount --pid --uts --ipc --cgroup --fork --propagation private \
			bash "$here/init.sh" "$name" "$lower" "$folder" \
			"$(cat "$state/run-size")" </dev/null >"$folder/boot.log" 2>&1
	) &
}

host_ready() {
	local name=$1 folder line='' end=$((SECONDS + 10))
	folder=$(host_folder "$name")
	exec 8<>"$folder/ready"
	while [ "$line" != ready ] && [ $SECONDS -lt $end ]; do
		if read -r -t 0.5 line <&8; then
			[ "$line" = ready ] || echo "$line" >"$folder/pid"
		elif ! host_alive "$name"; then
			break
		fi
	done
	exec 8<&-
	if [ "$line" != ready ]; then
		cat "$folder/boot.log" >&2
		die "$name did not come up"
	fi
}

host_crash() {
	host_known "$1"
	net_host_silence "$1"
	cgroup_end "/$1"
	cgroups_sweep "/$1"
	net_host_down "$1"
}

host_boot_again() {
	local name=$1
	host_known "$name"
	! host_alive "$name" || die "$name is up"
	host_launch "$name"
	host_ready "$name"
	[ "${2-}" != --no-drover ] && [ -e "$state/drover" ] || return 0
	daemon_start "$name" "$(daemon_of "$name")"
}

host_freeze() {
	local cgroup tries
	host_pid "$1" >/dev/null
	cgroup=$(host_cgroup "$1")
	echo "$2" >"$cgroup/cgroup.freeze"
	for ((tries = 0; tries < 500; tries++)); do
		! grep -q "frozen $2" "$cgroup/cgroup.events" || return 0
		sleep 0.01
	done
	die "$1 does not freeze"
}

host_fill() {
	# What fills it is not a container's: a name of our own beside PATH.
	# shellcheck disable=SC2016 # expanded there
	host_exec "$1" sh -c 'free=$(df --output=avail -B 1 "$1" | tail -n 1)
		fallocate -l "$free" "$1/.lab-fill" 2>/dev/null
		cat /dev/zero >>"$1/.lab-fill" 2>/dev/null
		[ "$(df --output=avail -B 1 "$1" | tail -n 1)" -lt 4096 ]' fill "$2"
}

host_unfill() { host_exec "$1" rm -f "$2/.lab-fill"; }

lab_up() {
	local count=3 name drover=yes static='' own_load='' sets=()
	disk_size=6g state_size=6g run_size=6g
	while [ $# -gt 0 ]; do
		case $1 in
		--suite) suite=$2; shift ;;
		--disk) disk_size=$2; shift ;;
		--state) state_size=$2; shift ;;
		--run) run_size=$2; shift ;;
		--set) sets+=("$2"); shift ;;
		--no-drover) drover='' ;;
		--static) static=yes ;;
		--own-load) own_load=yes ;;
		[0-9]*) count=$1 ;;
		*) die "up does not know $1" ;;
		esac
		shift
	done
	[ ! -e "$marker" ] || die "this lab is up already, or was not taken down: $state"
	[ "$count" -le ${#names[@]} ] || die "at most ${#names[@]} hosts"
	need nft
	image_build "$suite"
	[ -n "$drover" ] || source=$here
	stage_is_new "$source" || drover_build "$source"
	: >"$marker"
	image_path "$suite" >"$state/root"
	echo "$run_size" >"$state/run-size"
	# A copy: what is built later must not change under running hosts.
	cp -a "$(drover_stage "$source")" "$state/stage"
	cgroup_root_mount
	cgroups_v1 >"$state/cgroups-v1"
	pipe_size_raise
	net_switch_up
	printf '%s\n' "${sets[@]}" >"$state/sets"
	mapfile -t hosts < <(printf '%s\n' ctl "${names[@]:0:count}")
	for name in "${hosts[@]}"; do host_make "$name"; done
	[ -z "$own_load" ] || meter_start
	ssh_configure
	for name in "${hosts[@]}"; do host_launch "$name"; done
	for name in "${hosts[@]}"; do host_ready "$name"; done
	[ -x "$state/stage/usr/bin/drover" ] || return 0
	daemons_configure "$static"
	: >"$state/drover"
	for name in "${hosts[@]}"; do daemon_start "$name" "$(daemon_of "$name")"; done
	daemons_wait
}

# pipe_size_raise: CRIU's lazy pages need large pipes; the limit belongs to the whole machine, so
# the old value is kept for `down`.
pipe_size_raise() {
	local file=/proc/sys/fs/pipe-max-size
	[ "$(cat $file)" -lt 4194304 ] || return 0
	cat $file >"$state/pipe-max-size"
	echo 4194304 >$file
}

pipe_size_restore() {
	[ -s "$state/pipe-max-size" ] || return 0
	[ -z "$(find "$cgroups" -maxdepth 1 -name 'drover-lab-*')" ] || return 0
	cat "$state/pipe-max-size" >/proc/sys/fs/pipe-max-size
}

# lab_down: goes by names and places, not by what an earlier run noted down.
lab_down() {
	local ns target
	cgroup_end ""
	cgroups_sweep ""
	for ns in $(ip netns list | grep -o "^dlab-$id-[a-z]*"); do ip netns del "$ns"; done
	pipe_size_restore
	findmnt -n -l -o TARGET | { grep "^$state/" || true; } | tac | while read -r target; do
		umount "$target"
	done
	[ ! -e "$marker" ] || rm -rf --one-file-system "${state:?}"/{hosts,stage,root,run-size,sets,known_hosts,cgroups-v1,drover,pipe-max-size,cgroup,meter.log}
	rm -f "$marker" "$state/lock"
	rmdir "$state" 2>/dev/null || true
}

lab_ps() {
	local name pid host_state
	printf '%-9s %-12s %-7s %8s  %-24s %s\n' HOST ADDRESS STATE PID DAEMONS CONTAINERS
	for name in $(hosts_all); do
		host_state=down pid=-
		if host_alive "$name"; then
			host_state=up pid=$(cat "$(host_folder "$name")/pid")
			! grep -q 'frozen 1' "$(host_cgroup "$name")/cgroup.events" || host_state=hung
		fi
		printf '%-9s %-12s %-7s %8s  %-24s %s\n' "$name" "10.77.0.$(host_number "$name")" \
			"$host_state" "$pid" "$(daemons_of "$name")" "$(cts_of "$name")"
	done
}
