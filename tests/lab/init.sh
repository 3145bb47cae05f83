# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# init.sh NAME ROOT FOLDER RUN-SIZE CGROUP-TYPE
# Becomes the first process of a host. Started in new mount, pid, uts, ipc and cgroup namespaces
# and in the host's network namespace; file 3 goes to the tool, which waits there for "PID" (ours,
# as the machine numbers it) and then "ready". FOLDER holds what survives a crash of the host:
# up/ for its root, ct/ and lib/ for its storage.
#
# It pivots into the new root; CRIU finds no parent mount in a mere chroot.

set -euo pipefail

name=$1 lower=$2 folder=$3 run_size=$4

# /proc is still the machine's.
read -r pid _ </proc/self/stat
echo "$pid" >&3

new=$folder/root
mount -t overlay overlay \
	-o "lowerdir=$lower,upperdir=$folder/up/upper,workdir=$folder/up/work" "$new"
cd "$new"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty fuse net/tun; do
	[ -e "/dev/$node" ] || continue
	[[ $node != */* ]] || mkdir -p "dev/${node%/*}"
	: >"dev/$node"
	mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t tmpfs -o "mode=755,size=$run_size" tmpfs run
mount -t tmpfs tmpfs tmp
# A host that boots again has a new one; the machine below has not.
cat proc/sys/kernel/random/uuid >run/boot_id
mount --bind run/boot_id proc/sys/kernel/random/boot_id
# One CPU of its own, and what it does with it and its memory.
if [ -d "$folder/load" ]; then
	for file in stat loadavg meminfo; do
		mount --bind "$folder/load/$file" "proc/$file"
	done
	for file in cpu memory io; do
		[ ! -e "sys/fs/cgroup/$file.pressure" ] ||
			mount --bind "sys/fs/cgroup/$file.pressure" "proc/pressure/$file"
	done
	mount --bind "$folder/load/online" sys/devices/system/cpu/online
fi
mount --bind "$folder/ct" var/lib/ct
mount --bind "$folder/lib" var/lib/drover

mkdir -p old
pivot_root . old
cd /
umount -l /old
rmdir /old

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
hostname "$name"
# The image that containers' overlays lie on, as every host of a cluster would have pulled it.
if [ ! -d /var/lib/ct/images/base ]; then
	new=/var/lib/ct/images/base.new
	mkdir -p $new/bin $new/etc $new/dev $new/proc $new/sys $new/tmp $new/var/log $new/var/tmp
	[ ! -e /usr/lib/drover-lab/srv ] || cp /usr/lib/drover-lab/srv $new/bin/
	cp /bin/busybox $new/bin/
	ln -s busybox $new/bin/sh
	mv $new /var/lib/ct/images/base
fi
mkdir -p /run/sshd /run/dbus /run/lock /run/netns /run/drover
chown drover:drover /run/drover
sysctl -q -w net.ipv4.ip_forward=1
/usr/sbin/sshd 3>&-
dbus-daemon --system --fork --nopidfile 3>&-
avahi-daemon -D 3>&-
echo ready >&3
exec 3>&-
exec /usr/bin/tini -s -- sleep infinity
