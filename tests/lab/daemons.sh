# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# Keys, configuration and the daemons. Keys of a host name are made once and cached: they open
# nothing but labs.

# Who may decide what a host that is gone leaves undecided; the key is on ctl.
operator=ops

daemon_of() { if [ "$1" = ctl ]; then echo coordinator; else echo worker; fi; }

ssh_key() {
	[ -s "$1" ] || ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1"
}

# host_files NAME: what must be in its root before it boots.
host_files() {
	local name=$1 keys=$cache/keys/$1 etc other
	etc=$(host_folder "$name")/up/upper/etc
	mkdir -p "$keys" "$etc"/ssh "$etc"/drover
	chmod 700 "$cache/keys"
	hybrid_config "$etc"
	ssh_key "$keys/ssh_host_ed25519_key" "$name"
	ssh_key "$keys/transfer_key" "$name"
	cp "$keys"/ssh_host_ed25519_key* "$etc/ssh/"
	echo "$name" >"$etc/hostname"
	printf %s "$name" | md5sum | cut -c 1-32 >"$etc/machine-id"
	echo 127.0.0.1 localhost >"$etc/hosts"
	for other in "${hosts[@]}"; do
		echo "10.77.0.$(host_number "$other") $other"
	done >>"$etc/hosts"
}

# curve_keys: makes the missing ones with drover itself, in ctl.
curve_keys() {
	local name keys
	for name in "${hosts[@]}" "$operator"; do
		keys=$cache/keys/$name
		mkdir -p "$keys"
		! jq -e '.curve and .sign' "$keys/node.json" >/dev/null 2>&1 ||
			[ ! -s "$keys/node.key" ] || continue
		host_exec ctl drover keygen "/run/node-$name.key" >/dev/null
		host_exec ctl drover keygen --public --json "/run/node-$name.key" >"$keys/node.json"
		host_exec ctl cat "/run/node-$name.key" >"$keys/node.key"
		host_exec ctl rm -f "/run/node-$name.key"
	done
}

ssh_public() { cut -d ' ' -f 1,2 "$1.pub"; }

roster() {
	local name keys
	for name in "${hosts[@]}"; do
		keys=$cache/keys/$name
		cat <<-END
			[$name]
			role = $(daemon_of "$name")
			$(jq -r '"curve = \(.curve)\nsign = \(.sign)"' "$keys/node.json")
			ssh-host-key = $(ssh_public "$keys/ssh_host_ed25519_key")
			ssh-transfer-key = $(ssh_public "$keys/transfer_key")
			address = 10.77.0.$(host_number "$name")
			ssh-port = 22

		END
	done
	cat <<-END
		[$operator]
		role = operator
		$(jq -r '"curve = \(.curve)\nsign = \(.sign)"' "$cache/keys/$operator/node.json")
	END
}

# configuration NAME STATIC: its drover.conf; the lines of `up --set` come last in their section.
configuration() {
	local name=$1 static=$2 section
	for section in node "$(daemon_of "$name")" transfer; do
		echo "[$section]"
		case $section in
		node)
			echo "id = $name"
			echo "key = /etc/drover/node.key"
			echo "roster = /etc/drover/roster"
			echo "state = /var/lib/drover"
			echo "run = /run/drover"
			;;
		coordinator)
			echo "commands = tcp://10.77.0.10:7400"
			echo "beats = tcp://10.77.0.10:7401"
			echo "local = ipc:///run/drover/coordinator.sock"
			;;
		worker)
			[ -z "$static" ] || echo "coordinators = 10.77.0.10"
			echo "storage = /var/lib/ct"
			echo "bridge = br0"
			echo "allow_binds = /srv"
			;;
		transfer) echo "key = /etc/drover/transfer_key" ;;
		esac
		sed -n "s/^$section\.\([^=]*\)=/\1 = /p" "$state/sets"
	done
}

# known_hosts and authorized_keys, for what connects by ssh: every other node, to one program.
known_hosts() {
	local name
	for name in "${hosts[@]}"; do
		echo "$name,10.77.0.$(host_number "$name")" \
			"$(ssh_public "$cache/keys/$name/ssh_host_ed25519_key")"
	done
}

authorized_keys() {
	local name
	for name in "${hosts[@]}"; do
		[ "$name" != "$1" ] || continue
		echo 'restrict,command="/usr/libexec/drover/drover-receive"' \
			"$(ssh_public "$cache/keys/$name/transfer_key") $name"
	done
}

# ssh_configure: keys and trust between the hosts; needs no drover.
ssh_configure() {
	local name folder drover_uid
	drover_uid=$(grep ^drover: "$(cat "$state/root")/etc/passwd" | cut -d : -f 3,4)
	known_hosts >"$state/known_hosts"
	for name in "${hosts[@]}"; do
		folder=$(host_folder "$name")
		cp "$state/known_hosts" "$folder/up/upper/etc/ssh/ssh_known_hosts"
		mkdir -m 700 "$folder/lib/.ssh"
		authorized_keys "$name" >"$folder/lib/.ssh/authorized_keys"
		cp "$cache/keys/$name/transfer_key" "$folder/up/upper/etc/drover/"
		chmod 600 "$folder/up/upper/etc/drover/transfer_key"
		chown -R "$drover_uid" "$folder/lib" "$folder/up/upper/etc/drover/transfer_key"
	done
}

daemons_configure() {
	local name etc owner
	curve_keys
	for name in "${hosts[@]}"; do
		configuration "$name" "$1" | host_write "$name" /etc/drover/drover.conf
		roster | host_write "$name" /etc/drover/roster
		owner=root:root
		[ "$name" != ctl ] || owner=drover:drover
		host_write "$name" /etc/drover/node.key 600 "$owner" <"$cache/keys/$name/node.key"
	done
	host_write ctl /etc/drover/operator.key 600 <"$cache/keys/$operator/node.key"
}

# daemon_start NAME WHAT [--crash POINT] [--nth]: with a point the daemon kills itself there, see
# base/crash.h; with --nth the calls that nth/sweep names fail, see nth/fail.c. Only the daemon's own
# processes have the variables: what they run gets a new environment.
daemon_start() {
	local name=$1 what=$2 point='' nth='' as=root
	case ${3-} in
	'') ;;
	--crash) point=$4 ;;
	--nth) nth=yes ;;
	*) die "start does not know $3" ;;
	esac
	[ "$what" != coordinator ] || as=drover
	# shellcheck disable=SC2016 # expanded there
	host_exec "$name" sh -c 'mkdir -p /var/log/drover
		chown drover:drover /var/log/drover
		pid=$(cat "/run/lab-$1.pid" 2>/dev/null) && [ -d "/proc/$pid" ] &&
			{ echo "lab: $1 runs already" >&2; exit 1; }
		if [ -n "$3" ]; then
			grep -q DROVER_CRASH "$(command -v "drover-$1")" ||
				{ echo "lab: $1 was built without crash points: lab build" >&2
				exit 1; }
			export DROVER_CRASH="$3"
		fi
		# A sanitizer wants to be the first of all libraries.
		if [ -n "$4" ]; then
			export DROVER_NTH=/run/nth
			LD_PRELOAD=$(ldd "$(command -v "drover-$1")" |
				grep -o "/[^ ]*/libasan[^ ]*"):/usr/lib/drover-lab/fail.so
			export LD_PRELOAD="${LD_PRELOAD#:}"
			export ASAN_OPTIONS=log_path=/var/log/drover/asan
		else
			export DROVER_PAUSE=/run/drover/lab-pause
		fi
		user=
		[ "$2" = root ] || user="setpriv --reuid $2 --regid $2 --init-groups --"
		setsid $user "drover-$1" \
			</dev/null >>"/var/log/drover/$1.log" 2>&1 &
		echo $! >"/run/lab-$1.pid"' start "$what" "$as" "$point" "$nth"
}

# daemon_pids NAME WHAT: as the machine numbers them; works for a hung host too.
daemon_pids() {
	local file pid comm
	[ -d "$(host_cgroup "$1")" ] || return 0
	while read -r pid; do
		comm=
		read -r comm <"/proc/$pid/comm" || continue
		# The kernel keeps 15 characters of a name.
		[ "$comm" != "$(cut -c 1-15 <<<"drover-$2")" ] || echo "$pid"
	done < <(find "$(host_cgroup "$1")" -name cgroup.procs -exec cat {} +) 2>/dev/null
}

# daemon_main WHAT PID…: the one whose parent is not among them; the rest are its parts.
daemon_parts() {
	local part=$1 pid parent all
	shift
	all=" $* "
	for pid; do
		parent=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")
		if [[ $all == *" $parent "* ]]; then
			[ "$part" = main ] || echo "$pid"
		else
			[ "$part" != main ] || echo "$pid"
		fi
	done
}

daemon_kill() {
	local name=$1 what=$2 signal=${3:-KILL} part=main pids
	host_known "$name"
	[ "$what" != bus ] || what=worker part=other
	mapfile -t pids < <(daemon_pids "$name" "$what")
	mapfile -t pids < <(daemon_parts "$part" "${pids[@]}")
	[ ${#pids[@]} -gt 0 ] || die "no $2 runs on $name"
	kill -s "$signal" "${pids[@]}"
}

# daemon_pause NAME WHAT POINT: of one host one daemon at a time.
daemon_pause() {
	[ -n "$(daemon_pids "$1" "$2")" ] || die "no $2 runs on $1"
	printf %s "$3" | host_write "$1" /run/drover/lab-pause 644 drover:drover
}

daemon_paused() {
	local end=$((SECONDS + ${3:-20})) pid line
	while [ $SECONDS -lt $end ]; do
		for pid in $(daemon_pids "$1" "$2"); do
			read -r line 2>/dev/null <"/proc/$pid/stat" || continue
			[[ ${line##*) } != T* ]] || return 0
		done
		sleep 0.02
	done
	die "$2 on $1 has not come to $(host_exec "$1" cat /run/drover/lab-pause 2>&1)"
}

# journal_print NAME: from outside; the host may be down.
journal_print() {
	local file
	host_known "$1"
	file=$(host_folder "$1")/lib/executor.journal
	[ ! -e "$file" ] || "$state/stage/usr/lib/drover-lab/journal" "$file"
}

daemon_log() {
	local name=$1 what=${2:-$(daemon_of "$1")}
	host_known "$name"
	cat "$(host_folder "$name")/up/upper/var/log/drover/$what.log"
}

daemons_of() {
	local what pids out=()
	for what in worker coordinator; do
		mapfile -t pids < <(daemon_pids "$1" "$what")
		[ ${#pids[@]} -eq 0 ] || out+=("$what:$(daemon_parts main "${pids[@]}" | head -n 1)")
	done
	echo "${out[*]:--}"
}

# daemons_wait [SECS]: the coordinator is asked, nothing else knows.
daemons_wait() {
	local want up end
	want=$(hosts_all | grep -vcx ctl)
	end=$((SECONDS + ${1:-20}))
	while [ $SECONDS -lt $end ]; do
		up=$(host_exec ctl drover status --json 2>/dev/null |
			jq '[.. | objects | select(.state? == "up")] | length' 2>/dev/null) || up=0
		[ "${up:-0}" -lt "$want" ] || return 0
		sleep 0.1
	done
	die "only ${up:-0} of $want workers are up after ${1:-20} s: see lab log HOST"
}
