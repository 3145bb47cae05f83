# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# The roots that hosts run on, and drover built for them. A root is keyed by its recipe, made under
# a temporary name and renamed, so what is found under its name is always whole. Roots are never
# written to afterwards: hosts and builds put an overlay on them.

# image_recipe SUITE: everything that decides what a root contains.
image_recipe() {
	local msgpack=libmsgpack-c-dev libcriu=libcriu2
	# Its crun cannot checkpoint.
	[ "$1" != bookworm ] || msgpack=libmsgpack-dev libcriu=
	echo "suite $1"
	# shellcheck disable=SC2086 # may be none
	echo packages criu runc crun $libcriu tini busybox-static \
		openssh-server openssh-client rsync avahi-daemon avahi-utils dbus \
		iproute2 iputils-arping iputils-ping nftables procps util-linux jq socat tcpdump \
		strace gdb-minimal gcc g++ make cmake pkg-config libc6-dev "$msgpack" libczmq-dev \
		libzmq3-dev libssh2-1-dev libavahi-client-dev libavahi-common-dev libinih-dev \
		libsmartcols-dev libjansson-dev libsqlite3-dev libcmocka-dev libxxhash-dev \
		liblz4-dev libzstd-dev libsodium-dev libsystemd-dev libmicrohttpd-dev
	declare -f image_finish
}

# image_finish ROOT: what a host of the lab has beyond its packages.
image_finish() {
	local root=$1
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id"
	: >"$root/etc/machine-id"
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	# sshd's forced command needs a shell; "*" is no password, but not a locked account.
	chroot "$root" useradd --system --user-group --home-dir /var/lib/drover \
		--shell /bin/sh --password '*' drover
	mkdir -p "$root"/etc/drover "$root"/var/lib/drover "$root"/var/lib/ct "$root"/var/log/drover
	cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<-END
		UsePAM no
		UseDNS no
		PasswordAuthentication no
		HostKey /etc/ssh/ssh_host_ed25519_key
		MaxStartups 200
	END
}

# image_mirror: where apt on this machine takes Debian's main archive from.
image_mirror() {
	list() {
		# shellcheck disable=SC2016 # apt's own format
		apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
			'Label: Debian' 'Component: main' | head -n 1
	}
	local uri
	uri=$(list)
	if [ -z "$uri" ]; then
		apt-get -qq update >&2
		uri=$(list)
	fi
	[ -n "$uri" ] || die "apt on this machine knows no Debian archive"
	echo "$uri"
}

# image_path SUITE: where that suite's root is, or will be.
image_path() {
	echo "$cache/root-$1-$(image_recipe "$1" | sha256sum | cut -c 1-12)"
}

# image_build SUITE: makes the root unless it is there.
image_build() {
	local suite=$1 root packages
	root=$(image_path "$suite")
	[ ! -d "$root" ] || return 0
	need mmdebstrap
	mkdir -p "$cache"
	(
		flock 9
		[ ! -d "$root" ] || exit 0
		# What an interrupted build left; nobody else is building, we hold the lock.
		rm -rf "$cache"/root-*.new
		packages=$(image_recipe "$suite" | sed -n 's/^packages //p' | tr -s ' ' ,)
		say "building the $suite root (once, about a minute)"
		# Old and unreleased suites are often past the date in their Release file.
		mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
			--aptopt='Acquire::Check-Valid-Until "false"' \
			"$suite" "$root.new" "$(image_mirror)" >"$cache/root-$suite.log" 2>&1 9>&- ||
			die "mmdebstrap failed, see $cache/root-$suite.log"
		image_finish "$root.new"
		mv "$root.new" "$root"
	) 9>"$cache/image.lock"
}

# criu_of SUITE HOST: puts the criu program of another suite on a host, as /usr/local/sbin/criu-SUITE,
# with the one library that the roots do not all have in the same version.
criu_of() {
	local folder=$cache/criu-$1 options
	mkdir -p "$cache"
	(
		flock 9
		[ ! -d "$folder" ] || exit 0
		rm -rf "$folder.new"
		mkdir -p "$folder.new"/{state/lists,cache/archives}/partial
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
			"$(image_mirror) $1 main" >"$folder.new/list"
		options=(-qq -o "Dir::Etc::SourceList=$folder.new/list"
			-o Dir::Etc::SourceParts=/dev/null -o "Dir::State=$folder.new/state"
			-o "Dir::Cache=$folder.new/cache" -o Acquire::Languages=none
			-o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)
		say "taking criu from $1 (once)"
		cd "$folder.new" || exit
		apt-get "${options[@]}" update >&2
		apt-get "${options[@]}" download criu libnet1 >&2
		for package in *.deb; do dpkg-deb -x "$package" .; done
		rm -rf state cache ./*.deb
		mv "$folder.new" "$folder"
	) 9>"$cache/image.lock"
	tar -C "$folder" -c usr | host_exec "$2" sh -c 'tar -C /opt -x
		install /opt/usr/sbin/criu "/usr/local/sbin/criu-$1"
		cp -a /opt/usr/lib/*/libnet.so.1* /usr/local/lib/
		ldconfig' sh "$1"
}

# source_key SRC: names the build and stage folders of one source tree and suite.
source_key() {
	echo "$suite-$(printf %s "$1" | sha256sum | cut -c 1-8)"
}

# drover_build SRC [CMAKE-ARG]…: builds SRC and the lab's own programs in a throw-away overlay of
# the root and installs them into the stage folder, which replaces the old one when complete.
drover_build() {
	local src key
	src=$(realpath "$1")
	shift
	key=$(source_key "$src")
	image_build "$suite"
	mkdir -p "$cache/build-$key"
	(
		flock 9
		rm -rf "$cache/stage-$key.new"
		mkdir -p "$cache/stage-$key.new"
		unshare --mount --propagation private bash "$here/chroot.sh" \
			"$(image_path "$suite")" "$src" "$here" "$cache/build-$key" \
			"$cache/stage-$key.new" "$@" 9>&- </dev/null ||
			die "the build failed"
		rm -rf "$cache/stage-$key"
		mv "$cache/stage-$key.new" "$cache/stage-$key"
	) 9>"$cache/build-$key.lock"
}

# drover_stage SRC: where SRC was installed.
drover_stage() {
	echo "$cache/stage-$(source_key "$(realpath "$1")")"
}

# stage_is_new SRC: it was built, and with the lab's programs as they are. Whether drover itself is
# as it is now in the tree is for the caller of `build` to know.
stage_is_new() {
	local made program
	made=$(drover_stage "$1")/usr/lib/drover-lab
	for program in srv client watch meter; do
		[ "$made/$program" -nt "$here/$program.c" ] || return 1
	done
	[ "$made/fail.so" -nt "$here/nth/fail.c" ] && [ "$made/nth" -nt "$here/nth/ctl.c" ] &&
		[ "$made/nth" -nt "$here/nth/nth.h" ]
}
