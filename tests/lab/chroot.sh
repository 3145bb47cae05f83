# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# chroot.sh ROOT SRC LAB BUILD STAGE [CMAKE-ARG]…
# Runs in a mount namespace of its own. Compiles SRC and the lab's programs inside an overlay of
# ROOT; the sources are read-only there, and only BUILD and STAGE keep what is written. Without a
# CMakeLists.txt in SRC only the lab's programs are made. With LAB_TEST=1 the unit tests are built
# too, and run.

set -euo pipefail

root=$1 src=$2 lab=$3 build=$4 stage=$5
shift 5

top=/mnt
mount -t tmpfs tmpfs "$top"
mkdir "$top"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=$root,upperdir=$top/upper,workdir=$top/work" "$top/root"
new=$top/root
mkdir -p "$new"/{src,lab,build,stage}
mount --bind "$src" "$new/src"
mount -o remount,bind,ro "$new/src"
mount --bind "$lab" "$new/lab"
mount -o remount,bind,ro "$new/lab"
mount --bind "$build" "$new/build"
mount --bind "$stage" "$new/stage"
mount -t proc proc "$new/proc"
mount --rbind /dev "$new/dev"
mount --rbind /sys "$new/sys"
# Tests make whiteouts, which an overlay refuses.
mount -t tmpfs -o mode=1777 tmpfs "$new/tmp"

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
[ "${LAB_TEST-}" != 1 ] || set -- -DDROVER_TESTS=ON "$@"
# shellcheck disable=SC2016 # expanded inside
exec chroot "$new" bash -euo pipefail -c '
	dir=/stage/usr/lib/drover-lab
	mkdir -p "$dir" /build/lab
	for program in srv client watch meter; do
		[ /build/lab/$program -nt /lab/$program.c ] ||
			gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static \
				-o /build/lab/$program /lab/$program.c
		cp /build/lab/$program "$dir/"
	done
	# The nth failure: what is preloaded, and the hand of tests/lab/nth/sweep.
	gcc -std=gnu17 -O2 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden \
		-o "$dir/fail.so" /lab/nth/fail.c
	rows=
	[ ! -f /src/worker/handover.h ] || rows="-DNTH_ROWS -I/src"
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static $rows \
		-o "$dir/nth" /lab/nth/ctl.c
	if [ ! -f /src/CMakeLists.txt ]; then
		exit 0
	fi
	gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -I/src -o "$dir/journal" /lab/journal.c
	cmake -S /src -B /build/drover -DCMAKE_BUILD_TYPE=Release -DDROVER_TESTS=OFF \
		-DDROVER_CRASH_POINTS=ON \
		-DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_SYSCONFDIR=/etc \
		-DCMAKE_INSTALL_LOCALSTATEDIR=/var "$@" >/build/configure.log 2>&1 ||
		{ cat /build/configure.log >&2; exit 1; }
	make --no-print-directory -s -C /build/drover -j"$(nproc)" >&2
	DESTDIR=/stage cmake --install /build/drover >/build/install.log
	if [ "${LAB_TEST-}" = 1 ]; then
		ctest --test-dir /build/drover -j 4 --output-on-failure --timeout 120
	fi
' build "$@"
