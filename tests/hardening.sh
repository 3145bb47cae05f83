#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Fails when a program below ROOT lacks what the release build asks of the compiler and linker, or
# when what is installed beside the programs is missing.
# usage: tests/hardening.sh ROOT
set -u
root=${1:?usage: hardening.sh ROOT}
bad=0

# need PROGRAM WHAT TEXT PATTERN
need() {
	grep -qE "$4" <<<"$3" && return
	echo "$1: no $2"
	bad=1
}

for name in bin/drover sbin/drover-worker sbin/drover-coordinator libexec/drover/drover-receive \
	libexec/drover/drover-hook; do
	file=$(find "$root" -path "*/$name" -type f -perm /111)
	[ -n "$file" ] || {
		echo "$name is not installed"
		bad=1
		continue
	}
	headers=$(readelf -W -h -l -d "$file")
	symbols=$(readelf -W --dyn-syms "$file")
	need "$name" "position independence" "$headers" 'FLAGS_1.*PIE'
	need "$name" "relocations made read-only" "$headers" GNU_RELRO
	need "$name" "binding at start" "$headers" 'FLAGS_1.*NOW'
	need "$name" "stack without execution" "$headers" 'GNU_STACK .* RW +0x'
	need "$name" "stack protector" "$symbols" __stack_chk_fail
	need "$name" "fortified functions" "$symbols" '__[a-z]+_chk\b'
done

for name in man1/drover.1 system/drover-worker.service system/drover-coordinator.service \
	sysusers.d/drover.conf tmpfiles.d/drover.conf examples/drover.conf completions/drover; do
	[ -n "$(find "$root" -path "*/$name" -size +0)" ] || {
		echo "$name is not installed"
		bad=1
	}
done
[ $bad = 0 ] && echo "programs: hardened"
exit $bad
