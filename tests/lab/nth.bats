#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# One move with one call failing in its middle: a write, an fsync, a fork, a send … of the source's
# worker, of the target's, of the coordinator, of the receiver. A sample of what nth/sweep does with
# --all, and by its judgement: nothing crashes, the container is in one place and whole, drover says
# which, and nothing is left.

setup_file() {
	export DROVER_LAB=$BATS_FILE_TMPDIR/lab
	"$BATS_TEST_DIRNAME/lab" up 2 --static --run 1g
}

teardown_file() { "$BATS_TEST_DIRNAME/lab" down; }

# The middle one of each kind that each of the programs has.
@test "one call fails in the middle of a move, whichever it is" {
	run "$BATS_TEST_DIRNAME/nth/sweep" --points 1
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *" 0 violations" ]]
	# It has failed what it is to fail.
	[[ "$output" =~ ([0-9]+)" runs, "([0-9]+)" failures injected" ]]
	[ "${BASH_REMATCH[2]}" -ge 20 ]
}
