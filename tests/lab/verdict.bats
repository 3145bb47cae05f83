#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# Known before anything is frozen: which host cannot take a container, why, and which of the others
# is the best; which container cannot move at all; and what a target does not take from anybody.
#
#   alpha    where the containers are
#   beta     as good as any
#   gamma    keeps nearly all of its memory for itself
#   delta    has the criu of an older Debian
#   epsilon  is cordoned
#   zeta     lacks /srv/data and /dev/fuse
#   eta      has another network on its br0
#   theta    is short of memory
#
# What CRIU says of the containers that are refused here when it is made to try (criulog.bats):
#   E-IOURING       E-CRIU-IOURING    the dump fails: Unsupported anon_inode:[io_uring]
#   E-EXT-UNIX      E-CRIU-EXT-UNIX   the dump fails: external socket is used
#   E-SHARED-NETNS  nothing: it moves, and who was left behind in the namespace has no network

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

# configure HOST LINE: in its [worker] section; the worker starts again.
configure() {
	lab exec "$1" sh -c 'printf "[worker]\n%s\n" "$1" >>/etc/drover/drover.conf' sh "$2"
	lab kill "$1" worker
	soon 20 lab start "$1" worker
}

# verdict HOST: what the last check says of it: "warn E-PRESSURE E-…", codes in order.
verdict() {
	jq -r --arg h "$1" '.candidates[] | select(.host == $h)
		| [.verdict] + ([.reasons[]?.code] | sort) | join(" ")' "$BATS_TEST_TMPDIR/check"
}

# check NAME OPTION…: keeps the answer.
check() {
	drover check "$@" --json >"$BATS_TEST_TMPDIR/check" || true
	jq -c '[.candidates[]? | {host, verdict, score, codes: [.reasons[]?.code]}]' \
		"$BATS_TEST_TMPDIR/check"
}

is() {
	check data >&2
	[ "$(verdict "$1")" = "$2" ]
}

# refused CODE NAME OPTION…: exit 3, that code, and it ran all the time.
refused() {
	local code=$1 name=$2
	shift 2
	run drover migrate "$name" "$@"
	echo "exit $status: $output"
	[ "$status" = 3 ]
	grep -q "$code" <<<"$output"
	grep -qE '^  fix: .{10}' <<<"$output"
	! grep -q frozen <<<"$output"
	[ "$(lab exec alpha runc state "$name" | jq -r .status)" = running ]
}

new() { lab ct alpha "$@"; }

setup_file() {
	local host
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 8 --static --set worker.allow_binds=/srv --set worker.allow_devices=/dev/fuse
	for host in alpha beta gamma delta epsilon zeta eta theta; do
		lab exec "$host" mkdir -p /srv/data /var/lib/ct/images/base
	done
	configure gamma 'headroom = 99'
	lab criu trixie delta
	configure delta 'criu = /usr/local/sbin/criu-trixie'
	lab exec zeta sh -c 'rmdir /srv/data; umount /dev/fuse; rm -f /dev/fuse'
	lab exec eta sh -c 'ip link set br0 down
		ip link set br0 name br9
		ip link set br9 up
		ip link add br0 type bridge
		ip addr add 10.78.0.1/24 dev br0
		ip link set br0 up'
	lab exec theta sh -c '
		echo "some avg10=80.00 avg60=60.00 avg300=40.00 total=1" >/run/pressure
		mount --bind /run/pressure /proc/pressure/memory'
	lab wait
	drover cordon epsilon
	new data --bind /srv/data
	# The image that its root stands on is there on all hosts.
	lab exec alpha tar -C /var/lib/ct/images/base -c . >"$BATS_FILE_TMPDIR/image"
	for host in beta theta; do
		lab exec "$host" tar -C /var/lib/ct/images/base -x <"$BATS_FILE_TMPDIR/image"
	done
}

teardown_file() { lab down; }

@test "each host gets its verdict, with the reason" {
	soon 20 is theta "warn E-MOUNT-LOCAL E-PRESSURE"
	soon 10 is eta "no E-MOUNT-LOCAL E-NET-SUBNET"
	is beta "warn E-MOUNT-LOCAL"
	is gamma "no E-MEM E-MOUNT-LOCAL"
	[[ $(verdict delta) =~ ^cold\ .*E-(CRIU-VERSION|CRIU-CHECK) ]]
	[[ $(verdict epsilon) =~ ^no\ E-HOST-CORDONED ]]
	# What stands in the sentences are the values.
	jq -r '.candidates[].reasons[]?.why' "$BATS_TEST_TMPDIR/check" >"$BATS_TEST_TMPDIR/why"
	grep -q 'criu 4.1.1 on delta is older than 4' "$BATS_TEST_TMPDIR/why"
	grep -qE 'its address 10.77.0.[0-9]+/24 is outside of 10.78.0.1/24 on bridge br0 of eta' \
		"$BATS_TEST_TMPDIR/why"
	grep -qE 'gamma keeps [0-9.]+ GiB free' "$BATS_TEST_TMPDIR/why"
}

@test "only the target itself knows that a path or a device is missing there" {
	refused E-MOUNT data --to zeta
	grep -q '/srv/data, which is mounted into it, is not on zeta' <<<"$output"
	new fuse --set '.linux.devices += [{path: "/dev/fuse", type: "c", major: 10, minor: 229}]'
	refused E-DEV fuse --to zeta
	grep -q '/dev/fuse is not on zeta' <<<"$output"
}

@test "an address that somebody else has, a port that is taken" {
	local ip
	ip=$(new twin)
	lab exec eta ip addr add "$ip/32" dev br9
	refused E-ADDRESS twin --to beta
	lab exec eta ip addr del "$ip/32" dev br9
	lab ct beta taken --net none --port 7300
	new port --net none --port 7300
	run drover migrate port --to beta --skip network --json
	[ "$(jq '[.. | objects | select(.code? == "E-PORT")] | length > 0' <<<"$output")" = true ]
	lab ct-rm beta taken
	for host in alpha beta; do lab ct-rm "$host" port; done
}

@test "what CRIU cannot take is known before the freeze" {
	lab exec alpha sh -c 'socat UNIX-LISTEN:/srv/data/s.sock,fork SYSTEM:cat \
		</dev/null >/dev/null 2>&1 &'
	soon 5 lab exec alpha test -S /srv/data/s.sock
	new ring --ring
	new sock --bind /srv/data --unix /srv/data/s.sock --set '.annotations["drover.group"] = "none"'
	new pod
	lab exec alpha sh -c 'ip netns exec pod sleep 1000 </dev/null >/dev/null 2>&1 &'
	refused E-IOURING ring --to beta
	refused E-EXT-UNIX sock --to beta
	grep -q '/srv/data/s.sock' <<<"$output"
	refused E-SHARED-NETNS pod --to beta
}

@test "what the target does not take from others it does not take from a container" {
	new etc --bind /etc
	refused E-POLICY etc --to beta
	grep -q 'bind mount of /etc: not allowed on beta, see worker.allow_binds' <<<"$output"
	new admin --set '.process.capabilities.bounding += ["CAP_SYS_ADMIN"]'
	refused E-POLICY admin --to beta
	grep -q 'cap SYS_ADMIN: not allowed on beta, see worker.allow_privileged' <<<"$output"
	new kmsg --set '.linux.devices += [{path: "/dev/kmsg", type: "c", major: 1, minor: 11}]'
	refused E-POLICY kmsg --to beta
	new hook --set '.hooks = {poststop: [{path: "/bin/true"}]}'
	refused E-POLICY hook --to beta
	# The policy is not the coordinator's, nor the user's.
	refused E-POLICY etc --to beta --force
}

@test "a configuration that became another one on its way is not believed" {
	local id config=/var/lib/ct/late/config.json
	new late --mb 48
	lab rate alpha 60
	id=$(drover migrate late --to beta --detach --json | jq -r '.. | .id? // empty' | head -n 1)
	soon 20 sync_of "$id"
	lab exec alpha sh -c "jq '.mounts += [{destination: \"/mnt\", type: \"bind\",
		source: \"/\", options: [\"rbind\"]}]' $config >$config.new; mv $config.new $config"
	lab rate alpha 0
	soon 60 ended "$id"
	drover job "$id" --json | jq -c '.. | objects | select(.outcome?) | {outcome, runs_on, error}'
	[ "$(drover job "$id" --json | jq -r '[.. | .outcome? // empty][0]')" = STAYED ]
	drover job "$id" --json | grep -q 'E-POLICY: bind mount of /: not allowed on beta'
	[ "$(lab exec alpha runc state late | jq -r .status)" = running ]
	! lab exec beta runc state late
}

sync_of() {
	[ "$(drover job "$1" --json | jq -r '[.. | .step? // empty][0]')" = sync ]
}

ended() {
	[ "$(drover job "$1" --json | jq -r '[.. | .state? // empty][0]')" = "done" ]
}

@test "the best of the hosts that are left is taken" {
	run drover migrate data
	echo "$output"
	[ "$status" = 0 ]
	grep -q 'MOVED  alpha → beta' <<<"$output"
}
