# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# Runs in a host: makes the bundle, the network and the container. Container storage is a tmpfs:
# CRIU does not dump an overlay whose layers lie on an overlay, as the host's own root does.

set -euo pipefail

name=$1 runtime=$2 net=$3 ip=$4 port=$5 plain=$6 start=$7 edit=$8
storage=/var/lib/ct
image=$storage/images/base
bundle=$storage/$name
veth=v${name:0:14}

if [ ! -d "$image" ]; then
	mkdir -p "$image.new"/{bin,etc,dev,proc,sys,tmp,var/log,var/tmp}
	cp /usr/lib/drover-lab/srv "$image.new/bin/"
	cp /bin/busybox "$image.new/bin/"
	ln -s busybox "$image.new/bin/sh"
	mv "$image.new" "$image"
fi

mkdir -p "$bundle/rootfs"
if [ -n "$plain" ]; then
	cp -a "$image/." "$bundle/rootfs"
else
	mkdir -p "$bundle"/{upper,work}
	mount -t overlay overlay \
		-o "lowerdir=$image,upperdir=$bundle/upper,workdir=$bundle/work" "$bundle/rootfs"
fi

case $net in
netns) where=".linux.namespaces |= map(if .type == \"network\"
	then .path = \"/run/netns/$name\" else . end)" ;;
private) where=. ;;
none) where='.linux.namespaces |= map(select(.type != "network"))' ;;
*) echo "lab: no such network: $net" >&2; exit 2 ;;
esac
"$runtime" spec --bundle "$bundle" 2>/dev/null || (cd "$bundle" && "$runtime" spec)
jq --arg name "$name" "
	.process.terminal = false | .root.readonly = false | .hostname = \$name
	| .linux.cgroupsPath = \"/drover/ct-\" + \$name | $where | $edit" \
	"$bundle/config.json" >"$bundle/config.json.new"
mv "$bundle/config.json.new" "$bundle/config.json"
[ -n "$start" ] || exit 0

if [ "$net" = netns ]; then
	mac=$(printf 02:77:02:00:00:%02x "${ip##*.}")
	ip netns add "$name"
	ip link add "$veth" type veth peer name eth0 netns "$name"
	ip -n "$name" -batch - <<-END
		link set lo up
		link set eth0 address $mac
		addr add $ip/24 dev eth0 brd +
		link set eth0 up
		route add default via 10.77.0.10
	END
	ip link set "$veth" master br0 up
fi
# What a detached container inherits as its stdio must be something that CRIU can dump.
"$runtime" --log "$bundle/start.log" run --detach --bundle "$bundle" "$name" \
	>/dev/null 2>/dev/null || {
	cat "$bundle/start.log" >&2
	exit 1
}

# Ready when it listens: a large ballast takes a moment.
pid=$("$runtime" state "$name" | jq .pid)
listening=$(printf ':%04X 00000000:0000 0A' "$port")
for ((tries = 0; tries < 1000; tries++)); do
	! grep -q "$listening" "/proc/$pid/net/tcp" || break
	sleep 0.01
done
[ "$tries" -lt 1000 ] || { echo "lab: $name does not listen" >&2; exit 1; }
[ "$net" != netns ] || echo "$ip"
