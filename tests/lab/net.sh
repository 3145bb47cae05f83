# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# The lab's network: one bridge in a namespace of its own, a port a host. Nothing of the machine's
# own network is read or changed.

switch=dlab-$id-sw

net_ns() { echo "dlab-$id-$1"; }

# host_number NAME: the last part of its address.
host_number() {
	local i
	[ "$1" != ctl ] || { echo 10; return; }
	for i in "${!names[@]}"; do
		[ "${names[i]}" != "$1" ] || { echo $((11 + i)); return; }
	done
	die "no host is called $1"
}

net_switch_up() {
	ip netns add "$switch"
	ip -n "$switch" link add sw type bridge forward_delay 0 mcast_snooping 0
	ip -n "$switch" link set sw up
	# Concatenated names: which port may not send to which.
	nsenter --net="/run/netns/$switch" nft -f - <<-END
		table bridge lab {
			set cut { type ifname . ifname; }
			chain forward {
				type filter hook forward priority 0;
				iifname . oifname @cut drop
			}
		}
	END
}

# net_host_up NAME: a network namespace whose bridge br0 has the host's address. The bridge's MAC
# is pinned: otherwise it changes with its ports and peers stall until their neighbour entries age.
net_host_up() {
	local name=$1 ns number mac
	ns=$(net_ns "$name")
	number=$(host_number "$name")
	mac=$(printf 02:77:00:00:01:%02x "$number")
	ip netns add "$ns"
	ip -n "$switch" -batch - <<-END
		link add $name type veth peer name eth0 netns $ns
		link set $name master sw up
	END
	ip -n "$ns" -batch - <<-END
		link set lo up
		link add br0 type bridge forward_delay 0 mcast_snooping 0
		link set br0 address $mac
		link set eth0 address $mac
		link set eth0 master br0 up
		link set br0 up
		addr add 10.77.0.$number/24 dev br0 brd +
	END
}

# net_host_silence NAME: as when the plug is pulled: not even a reset leaves the host any more.
net_host_silence() {
	ip -n "$switch" link del "$1" 2>/dev/null || true
}

net_host_down() {
	net_host_silence "$1"
	ip netns del "$(net_ns "$1")" 2>/dev/null || true
}

net_nft() { nsenter --net="/run/netns/$switch" nft "$@"; }

net_cut() {
	host_number "$1" >/dev/null
	host_number "$2" >/dev/null
	net_nft add element bridge lab cut "{ $1 . $2 }"
	[ "${3-}" = --one-way ] || net_nft add element bridge lab cut "{ $2 . $1 }"
}

net_heal() {
	[ $# -gt 0 ] || { net_nft flush set bridge lab cut; return; }
	net_nft delete element bridge lab cut "{ $1 . $2 }" 2>/dev/null || true
	net_nft delete element bridge lab cut "{ $2 . $1 }" 2>/dev/null || true
}

# net_rate HOST MBIT: both directions, each limited by itself.
net_rate() {
	local name=$1 mbit=$2 ns port
	for ns in "$switch" "$(net_ns "$name")"; do
		port=eth0
		[ "$ns" != "$switch" ] || port=$name
		tc -n "$ns" qdisc del dev "$port" root 2>/dev/null || true
		[ "$mbit" = 0 ] ||
			tc -n "$ns" qdisc add dev "$port" root tbf rate "${mbit}mbit" \
				burst 256kb latency 50ms
	done
}
