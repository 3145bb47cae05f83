#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Fails when a folder includes another than the layers below it (docs/layers in CMakeLists.txt), or
# when a pure file reaches for a clock, a socket, a file or czmq.
set -u
cd "$(dirname "$0")/.." || exit 2
bad=0

allowed() {
	case $1 in
	base) echo base ;;
	proto | discovery | runtime | transfer) echo "base $1" ;;
	coordinator) echo "base proto discovery coordinator" ;;
	worker) echo "base proto discovery runtime transfer worker" ;;
	simulate) echo "base proto coordinator simulate" ;;
	cli) echo "base proto simulate cli" ;;
	esac
}

for folder in base proto discovery runtime transfer coordinator worker simulate cli; do
	for used in $(grep -hoE '^#include "[a-z]+/' "$folder"/*.[ch] 2>/dev/null | cut -d'"' -f2 |
		tr -d / | sort -u); do
		case " $(allowed "$folder") " in
		*" $used "*) ;;
		*)
			echo "layer breach: $folder/ includes $used/:"
			grep -n "^#include \"$used/" "$folder"/*.[ch]
			bad=1
			;;
		esac
	done
done

for file in worker/handover.c coordinator/{steps,nodes,digest,policy,verdict,judge_*,score,rank,plan*,windows,balance*,migrate*,core*}.c simulate/*.c; do
	[ -e "$file" ] || continue
	if grep -nE '#include (<(czmq|zmq|time|sys/socket|fcntl|unistd|sqlite3)\.h>|"(base/(clock|file)|proto/bus)\.h")' "$file"; then
		echo "not pure: $file"
		bad=1
	fi
done

if grep -nE '\b(system|popen)[[:space:]]*\(' ./*/*.c; then
	echo "no shell is ever started"
	bad=1
fi
if grep -lE '\b(posix_spawnp?|execvp?e?|execl[pe]?)[[:space:]]*\(' ./*/*.c | grep -v '^./runtime/'; then
	echo "only runtime/run.c starts programs"
	bad=1
fi
[ $bad = 0 ] && echo "layers: clean"
exit $bad
