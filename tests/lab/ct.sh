# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# Containers for the lab's hosts, and the client that watches one from outside.

ct_usage() {
	cat <<'END'
usage: lab ct HOST NAME [OPTION…]     prints the container's address

  --runtime runc|crun    (runc)
  --program srv|logger   (srv) logger also writes a numbered line to its log each 100 ms
  --mb N                 memory ballast, each page checked (16)
  --rate PAGES           pages rewritten each second (0)
  --burn PERCENT         keeps one CPU busy that much (0)
  --hot N                only within the first N MB
  --log                  append each reply to /var/log/srv.log in the rootfs
  --hold                 hold an unlinked file, checked on verify
  --open FILE            keep a file or device of its own open
  --unix SOCKET          stay connected to a unix socket
  --ring                 have an io_uring ring
  --probe                answer datagrams with the number of all that it answered (client --probe)
  --net netns|private|none  a named network namespace with a veth on br0 and an address (netns);
                         one that the runtime makes, with nothing in it; the host's network
  --ip A                 (10.77.0.100 and up, from NAME)
  --port P               (7000)
  --plain                a plain rootfs directory, not an overlay on the shared image
  --bind PATH            bind-mount the host's PATH at the same place
  --label K=V            an annotation in config.json
  --set JQ               any other change of config.json, a jq filter
  --no-start             make the bundle only

The bundle is /var/lib/ct/NAME (config.json, rootfs, and upper and work of its overlay on
/var/lib/ct/images/base), the network namespace /run/netns/NAME with eth0 in it, the host's end of
the veth v plus the first 14 characters of NAME, the cgroup /drover/ct-NAME. The MAC follows from
the address: 02:77:02:00:00:XX.
END
}

ct_new() {
	[ "${1-}" != --help ] || { ct_usage; return; }
	[ $# -ge 2 ] || { ct_usage >&2; return 2; }
	local host=$1 name=$2 runtime=runc program=srv net=netns ip='' plain='' start=yes port=7000
	local args=() edit='.' mb=16 kv
	ip=10.77.0.$((100 + $(cksum <<<"$name" | cut -d ' ' -f 1) % 150))
	shift 2
	while [ $# -gt 0 ]; do
		case $1 in
		--runtime) runtime=$2; shift ;;
		--program) program=$2; shift ;;
		--mb) mb=$2; shift ;;
		--rate | --hot | --burn | --open | --unix) args+=("$1" "$2"); shift ;;
		--ring) args+=(--ring) ;;
		--port) port=$2; shift ;;
		--log) args+=(--log /var/log/srv.log) ;;
		--hold) args+=(--hold /var/tmp/held) ;;
		--probe) args+=(--probe) ;;
		--net) net=$2; shift ;;
		--ip) ip=$2; shift ;;
		--plain) plain=yes ;;
		--no-start) start='' ;;
		--bind)
			kv=$(jq -n --arg p "$2" '{destination: $p, source: $p, type: "bind",
				options: ["rbind", "rw"]}')
			edit+=" | .mounts += [$kv]"
			shift
			;;
		--label)
			kv=$(jq -n --arg k "${2%%=*}" --arg v "${2#*=}" '{($k): $v}')
			edit+=" | .annotations += $kv"
			shift
			;;
		--set) edit+=" | $2"; shift ;;
		--help) ct_usage; return ;;
		*) die "ct does not know $1" ;;
		esac
		shift
	done
	[ "$program" != logger ] || args+=(--log /var/log/srv.log --tick 100)
	args=(/bin/srv --port "$port" --mb "$mb" "${args[@]}")
	edit=".process.args = $(jq -n '$ARGS.positional' --args -- "${args[@]}") | $edit"
	host_exec "$host" bash -c "$(<"$here/ct-make.sh")" ct-make \
		"$name" "$runtime" "$net" "$ip" "$port" "$plain" "$start" "$edit" </dev/null
	[ -z "$start" ] || ct_known "$host" "$name"
}

# ct_known HOST NAME: where drover runs, waits until its coordinator has heard of the container.
ct_known() {
	local tries
	[ -n "$(daemon_pids ctl coordinator 2>/dev/null)" ] || return 0
	[ -n "$(daemon_pids "$1" worker 2>/dev/null)" ] || return 0
	for ((tries = 0; tries < 60; tries++)); do
		! host_exec ctl drover ps --json 2>/dev/null </dev/null |
			jq -e --arg name "$2" '[.. | objects | select(.id? == $name)] | length > 0' \
				>/dev/null || return 0
		sleep 0.1
	done
	echo "lab: drover has not heard of $2 yet" >&2
}

ct_remove() {
	# shellcheck disable=SC2016 # expanded there
	host_exec "$1" sh -c '
		for runtime in runc crun; do
			[ ! -d "/run/$runtime/$1" ] || $runtime delete -f "$1"
		done
		! mountpoint -q "/var/lib/ct/$1/rootfs" || umount "/var/lib/ct/$1/rootfs"
		ip link del "$2" 2>/dev/null
		[ ! -e "/run/netns/$1" ] || ip netns del "$1"
		rm -rf "/var/lib/ct/$1"' ct-rm "$2" "v${2:0:14}"
}

# cts_of HOST: names, as the runtimes keep them; the host itself is not asked, it may be hung.
cts_of() {
	local run out
	run=/proc/$(cat "$(host_folder "$1")/pid" 2>/dev/null)/root/run
	out=$(cd "$run" 2>/dev/null && ls -d runc/* crun/* 2>/dev/null | tr '\n' ' ') || true
	echo "${out:--}"
}

# client_run HOST IP[:PORT] [OPTION…]: becomes the client, so signals reach it; it joins all
# namespaces of the host but the pid namespace, which would need one more process.
client_run() {
	local host=$1 args=()
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--out) exec >"$2"; shift ;;
		*) args+=("$1") ;;
		esac
		shift
	done
	host_enter "$host" -- /usr/lib/drover-lab/client "${args[@]}"
}

# watch_run [--out FILE]: becomes the watcher, which looks from outside the hosts.
watch_run() {
	[ "${1-}" != --out ] || exec >"$2"
	exec "$state/stage/usr/lib/drover-lab/watch" "$cgroups/drover-lab-$id"
}
