#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# What the other tests take for granted about the lab.

tool=$BATS_TEST_DIRNAME/lab

# In the background call "$tool": the number of a function's process is not the tool's.
lab() { "$tool" "$@"; }

lab_id() { printf %s "$(realpath -m "$1")" | sha256sum | cut -c 1-6; }

# nothing_left FOLDER: of the lab whose state folder that was.
nothing_left() {
	local id
	id=$(lab_id "$1")
	[ ! -e "$1" ]
	[ -z "$(ip netns list | grep "^dlab-$id-")" ]
	[ -z "$(find /sys/fs/cgroup -type d -name "drover-lab-$id")" ]
	not grep -q "$1" /proc/self/mountinfo
	not grep -q "drover-lab-$id" /proc/self/mountinfo
	not pgrep -f "$1/hosts"
}

# not CMD…: unlike "!", its failure fails a test.
not() { ! "$@"; }

# soon CMD…: within five seconds.
soon() {
	local tries
	for ((tries = 0; tries < 50; tries++)); do
		! "$@" || return 0
		sleep 0.1
	done
	"$@"
}

reaches() { lab exec "$1" ping -q -c 1 -W 1 "10.77.0.$2" >/dev/null; }

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	lab up 3 --no-drover --disk 64m --state 16m
}

teardown_file() {
	lab down
	nothing_left "$DROVER_LAB"
}

@test "hosts reach each other by address, by name and over mDNS" {
	reaches alpha 12
	[ "$(lab exec gamma hostname)" = gamma ]
	lab exec ctl ping -q -c 1 -W 1 gamma
	soon lab exec alpha avahi-resolve -4 -n beta.local
}

@test "exec passes stdin, output and exit code" {
	[ "$(echo in | lab exec alpha sed s/in/out/)" = out ]
	run lab exec alpha sh -c 'exit 7'
	[ "$status" = 7 ]
}

@test "a command ends when its exec is killed" {
	"$tool" exec alpha sleep 1234 &
	soon lab exec alpha pgrep -f 'sleep 1234'
	kill $!
	gone() { ! lab exec alpha pgrep -f 'sleep 1234'; }
	soon gone
}

@test "the transfer key opens one program of another node, and no shell" {
	lab exec beta sh -c 'mkdir -p /usr/libexec/drover
		printf "#!/bin/sh\necho receive \$(id -un)\n" >/usr/libexec/drover/drover-receive
		chmod 755 /usr/libexec/drover/drover-receive'
	run lab exec alpha setpriv --reuid drover --regid drover --clear-groups \
		ssh -i /etc/drover/transfer_key -o BatchMode=yes drover@beta id
	[ "$output" = "receive drover" ]
	run lab exec alpha ssh -i /etc/drover/transfer_key -o BatchMode=yes root@beta id
	[ "$status" = 255 ]
}

@test "a client of a container gets each reply once, with runc and with crun" {
	local runtime ip
	for runtime in runc crun; do
		ip=$(lab ct alpha "web-$runtime" --runtime $runtime --rate 500 --log --hold)
		run lab client beta "$ip" --secs 1 --interval-ms 10
		[ "$status" = 0 ]
		[ "$(jq -c '[.exact, .lost, .verified]' <<<"$output")" = '[true,0,true]' ]
		[ "$(jq .sent <<<"$output")" -gt 80 ]
		lab ct-rm alpha "web-$runtime"
	done
	[ -z "$(lab exec alpha ip netns list)" ]
}

@test "a client whose server dies says so" {
	local ip
	ip=$(lab ct alpha mortal)
	"$tool" client beta "$ip" --out "$BATS_TEST_TMPDIR/report" &
	sleep 0.3
	lab ct-rm alpha mortal
	kill $! || true
	run wait $!
	[ "$status" != 0 ]
	[ "$(jq .exact "$BATS_TEST_TMPDIR/report")" = false ]
}

@test "crash is silent, keeps storage and nothing else; boot brings the host back" {
	lab exec beta sh -c 'for f in /var/lib/ct/x /var/lib/drover/x /etc/x /run/x; do : >$f; done'
	lab crash beta
	run lab exec beta true
	[ "$status" != 0 ]
	not reaches alpha 12
	lab boot beta --no-drover
	lab exec beta sh -c '[ -e /var/lib/ct/x ] && [ -e /var/lib/drover/x ] && [ -e /etc/x ]'
	lab exec beta sh -c '[ ! -e /run/x ]'
	soon reaches alpha 12
}

@test "a hung host answers nobody until it is resumed, and loses nothing" {
	local ip
	ip=$(lab ct gamma steady)
	"$tool" client alpha "$ip" --out "$BATS_TEST_TMPDIR/report" &
	sleep 0.2
	lab hang gamma
	[[ $(lab ps) == *hung* ]]
	run timeout 0.5 "$tool" exec gamma true
	[ "$status" = 124 ]
	lab resume gamma
	sleep 0.3
	kill $!
	wait $!
	[ "$(jq '.exact and .max_gap_ms > 400' "$BATS_TEST_TMPDIR/report")" = true ]
	lab ct-rm gamma steady
}

@test "cut drops both ways, or one; heal undoes it" {
	lab cut alpha gamma
	not reaches alpha 13
	reaches alpha 12
	lab heal alpha gamma
	reaches alpha 13
	# One way: gamma hears nothing from alpha, yet alpha hears gamma.
	lab cut alpha gamma --one-way
	"$tool" exec alpha timeout 5 socat -u UDP-RECV:9001 OPEN:/run/heard,creat &
	soon lab exec alpha sh -c 'ss -lun | grep -q :9001'
	lab exec gamma ip neigh replace 10.77.0.11 lladdr 02:77:00:00:01:0b dev br0 nud permanent
	lab exec gamma sh -c 'echo word | socat -u - UDP-SENDTO:10.77.0.11:9001'
	soon lab exec alpha grep -q word /run/heard
	not reaches gamma 11
	lab heal
	reaches gamma 11
}

@test "rate limits a link" {
	local start
	"$tool" exec beta timeout 10 socat -u TCP-LISTEN:9002 /dev/null &
	soon lab exec beta sh -c 'ss -ltn | grep -q :9002'
	lab rate alpha 10
	start=$(date +%s%3N)
	lab exec alpha sh -c 'head -c 1500000 /dev/zero | socat -u - TCP:beta:9002'
	wait $!
	[ $(($(date +%s%3N) - start)) -gt 600 ]
	lab rate alpha 0
}

@test "a filled filesystem takes nothing more until it is unfilled" {
	lab fill alpha /var/lib/drover
	run lab exec alpha sh -c 'head -c 65536 /dev/zero >/var/lib/drover/y'
	[ "$status" != 0 ]
	lab exec alpha sh -c 'echo z >/var/lib/ct/y'
	lab unfill alpha /var/lib/drover
	lab exec alpha sh -c 'head -c 65536 /dev/zero >/var/lib/drover/y'
}

@test "a second lab stands beside the first and goes without it" {
	DROVER_LAB=$BATS_TEST_TMPDIR/other lab up 1 --no-drover
	DROVER_LAB=$BATS_TEST_TMPDIR/other lab exec alpha true
	DROVER_LAB=$BATS_TEST_TMPDIR/other lab down
	nothing_left "$BATS_TEST_TMPDIR/other"
	reaches alpha 12
}

@test "down removes what an up left that was killed at any moment" {
	local pause other=$BATS_TEST_TMPDIR/other
	for pause in 0.03 0.06 0.1 0.15 0.2 0.3; do
		DROVER_LAB=$other "$tool" up 2 --no-drover &
		sleep $pause
		kill -9 $! || true
		wait $! || true
		DROVER_LAB=$other lab down
		nothing_left "$other"
		DROVER_LAB=$other lab down
	done
}

@test "down also ends a lab with a container, a crashed and a hung host" {
	local other=$BATS_TEST_TMPDIR/other
	DROVER_LAB=$other lab up 3 --no-drover
	DROVER_LAB=$other lab ct alpha one
	DROVER_LAB=$other lab crash beta
	DROVER_LAB=$other lab hang gamma
	DROVER_LAB=$other lab down
	nothing_left "$other"
}
