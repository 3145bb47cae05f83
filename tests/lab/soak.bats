#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
#
# The soak's first minute, with many faults. tests/lab/soak --hours H is the whole of it.

@test "a minute of random moves, a fault in each fifth: nothing lost, nothing twice" {
	"$BATS_TEST_DIRNAME/soak" --hours 0.0125 --faults 20 --out "$BATS_TEST_TMPDIR/out" 3>&-
}
