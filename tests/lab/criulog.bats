#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# What CRIU itself refuses, forced past the checks: the code, what it means and what to do are told,
# the container goes on where it was, and the whole log stays on its host.

# shellcheck source=tests/lab/common.sh
. "$BATS_TEST_DIRNAME/common.sh"

runs() { [ "$(lab exec "$1" runc state "$2" 2>/dev/null | jq -r .status)" = running ]; }

# forced CODE WORDS NAME HOST: it does not move to beta, HOST says why, and it runs on alpha.
forced() {
	run drover migrate "$3" --to beta --force
	echo "exit $status: $output"
	[ "$status" = 8 ]
	grep -qF "why: $4: $1: " <<<"$output"
	grep -qE "why: .*$2" <<<"$output"
	grep -qE '^  fix: .{10}' <<<"$output"
	! grep -q 'type NOTIFY errno' <<<"$output"
	run drover job "$3" --json
	[ "$(jq -r '.reasons[0].code' <<<"$output")" = "$1" ]
	runs alpha "$3"
}

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 2 --set "worker.allow_binds=/srv/out,/dev/fuse" --set worker.allow_privileged=yes \
		--set worker.allow_devices=/dev
	lab ct beta seed --no-start
	lab ct-rm beta seed
	lab exec beta mkdir -p /srv/out
	lab exec alpha sh -c 'mkdir -p /srv/out; echo x >/srv/out/only-here
		socat UNIX-LISTEN:/srv/out/s.sock,fork SYSTEM:cat </dev/null >/dev/null 2>&1 &'
	soon 5 lab exec alpha test -S /srv/out/s.sock
}

teardown_file() { lab down; }

# new NAME OPTION…: on alpha, and drover knows of it.
new() {
	lab ct alpha "$@"
	soon 10 known "$1"
}

@test "an io_uring ring" {
	new ring --ring
	run drover check ring --to beta
	grep -q E-IOURING <<<"$output" # the verdict knows before anything is frozen
	forced E-CRIU-IOURING 'io_uring ring' ring alpha
}

@test "a unix socket whose other end is outside" {
	new sock --bind /srv/out --unix /srv/out/s.sock --set '.annotations["drover.group"] = "none"'
	forced E-CRIU-EXT-UNIX 'outside the container' sock alpha
}

@test "an open device" {
	new dev --bind /dev/fuse --open /dev/fuse \
		--set '.linux.resources.devices = [{allow: true, access: "rwm"}]'
	forced E-CRIU-DEVICE 'character device 10:229' dev alpha
}

@test "a file that the target does not have" {
	new miss --bind /srv/out --set '.annotations["drover.group"] = "none"' --open /srv/out/only-here
	forced E-CRIU-NOFILE 'srv/out/only-here: No such file' miss beta
}

@test "a port that is taken on the target" {
	lab ct beta taken --net none --port 7300
	new port --net none --port 7300
	forced E-CRIU-PORT 'port .* in use' port beta
}

@test "the whole log comes from the host, in pieces, and is root's alone" {
	id=$(drover job miss --json | jq -r .id)
	drover job "$id" --log --host beta >"$BATS_TEST_TMPDIR/got"
	lab exec beta cat "/var/lib/drover/logs/$id/restore.log" >"$BATS_TEST_TMPDIR/there"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/there")" -gt 16384 ] # more than one message holds
	cmp "$BATS_TEST_TMPDIR/got" "$BATS_TEST_TMPDIR/there"
	grep -q 'Version: ' "$BATS_TEST_TMPDIR/got"
	grep -q 'Restoring FAILED' "$BATS_TEST_TMPDIR/got"
	grep -q 'E-CRIU-NOFILE' "$BATS_TEST_TMPDIR/got"
	[ "$(lab exec beta stat -c '%u %a' "/var/lib/drover/logs/$id/restore.log")" = '0 600' ]
	[ "$(lab exec beta stat -c '%u %a' /var/lib/drover/logs)" = '0 700' ]
	drover job "$id" --log >"$BATS_TEST_TMPDIR/both"
	grep -q -- '--- alpha: dump.log, ' "$BATS_TEST_TMPDIR/both"
	grep -q -- '--- beta: restore.log, ' "$BATS_TEST_TMPDIR/both"
}

@test "a log that was pruned, and one whose host is gone" {
	id=$(drover job miss --json | jq -r .id)
	lab exec beta rm -r "/var/lib/drover/logs/$id"
	run drover job "$id" --log --host beta
	echo "exit $status: $output"
	grep -q 'beta has no restore.log of migration' <<<"$output"
	grep -q 'logs are kept for 14 days' <<<"$output"
	grep -q "Can't open file srv/out/only-here" <<<"$output" # what the coordinator kept
	lab crash beta
	down() { drover hosts --json | jq -e '.[] | select(.id == "beta" and .state != "up")'; }
	soon 30 down
	run drover job port --log --host beta
	echo "exit $status: $output"
	grep -q 'its log cannot be read now' <<<"$output"
	grep -q 'as the coordinator kept it' <<<"$output"
	grep -q 'Address already in use' <<<"$output"
}
