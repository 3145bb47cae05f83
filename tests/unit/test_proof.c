/* SPDX-License-Identifier: MPL-2.0
 *
 * A proof is good for one word, migration, epoch, container and pair of hosts, and only from the
 * host that the roster knows by that key. */
#include "base/file.h"
#include "base/mem.h"
#include "proto/force.h"
#include "proto/roster.h"
#include "worker/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/drover-proof.XXXXXX";
static char roster[128], alpha_key[128], beta_key[128], eve_key[128], ops_key[128];

static void node(FILE *out, const char *id, const char *path, const char *role)
{
	struct curve_keys keys;
	struct sign_keys sign;
	struct err err;

	assert_int_equal(keys_generate(path, false, &keys, &err), 0);
	assert_int_equal(sign_derive(&keys, &sign, &err), 0);
	if (role)
		fprintf(out, "[%s]\nrole = %s\ncurve = %s\nsign = %s\n", id, role, keys.public,
			sign.public);
}

static int setup(void **state)
{
	FILE *out;

	(void)state;
	assert_non_null(mkdtemp(folder));
	str_fmt(roster, sizeof(roster), "%s/roster", folder);
	str_fmt(alpha_key, sizeof(alpha_key), "%s/alpha", folder);
	str_fmt(beta_key, sizeof(beta_key), "%s/beta", folder);
	str_fmt(eve_key, sizeof(eve_key), "%s/eve", folder);
	out = fopen(roster, "we");
	str_fmt(ops_key, sizeof(ops_key), "%s/ops", folder);
	node(out, "alpha", alpha_key, "worker");
	node(out, "beta", beta_key, "worker");
	node(out, "eve", eve_key, NULL);
	node(out, "ops", ops_key, "operator");
	fclose(out);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return file_rmtree(folder, NULL);
}

static struct prover *prover(const char *key, const char *self)
{
	struct prover *p;
	struct err err;

	assert_int_equal(prover_new(key, roster, self, &p, &err), 0);
	return p;
}

static const struct handover_row at_beta = {.migration = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
					    .container = "web",
					    .peer = "alpha",
					    .side = SIDE_target,
					    .epoch = 3};
static const struct handover_row at_alpha = {.migration = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
					     .container = "web",
					     .peer = "beta",
					     .side = SIDE_source,
					     .epoch = 3};

static void fits_only_its_own_claim(void **state)
{
	struct prover *alpha = prover(alpha_key, "alpha"), *beta = prover(beta_key, "beta");
	struct handover_row other = at_alpha;
	uint8_t sig[SIGN_BYTES];

	(void)state;
	prover_sign(beta, &at_beta, "PREPARED", sig);
	assert_true(prover_check(alpha, &at_alpha, "PREPARED", sig, sizeof(sig)));
	assert_false(prover_check(alpha, &at_alpha, "REFUSED", sig, sizeof(sig)));
	assert_false(prover_check(alpha, &at_alpha, "PREPARED", sig, sizeof(sig) - 1));
	other.epoch = 4;
	assert_false(prover_check(alpha, &other, "PREPARED", sig, sizeof(sig)));
	other = at_alpha;
	str_copy(other.container, sizeof(other.container), "db");
	assert_false(prover_check(alpha, &other, "PREPARED", sig, sizeof(sig)));
	sig[5] ^= 1;
	assert_false(prover_check(alpha, &at_alpha, "PREPARED", sig, sizeof(sig)));
	prover_free(&alpha);
	prover_free(&beta);
}

static void nobody_else_can_make_it(void **state)
{
	struct prover *alpha = prover(alpha_key, "alpha"), *eve = prover(eve_key, "beta");
	uint8_t sig[SIGN_BYTES];
	struct err err;

	(void)state;
	prover_sign(eve, &at_beta, "PREPARED", sig);
	assert_false(prover_check(alpha, &at_alpha, "PREPARED", sig, sizeof(sig)));
	prover_sign(alpha, &at_alpha, "PREPARED", sig);
	assert_false(prover_check(alpha, &at_alpha, "PREPARED", sig, sizeof(sig)));
	assert_int_equal(prover_knows(alpha, "eve", &err), -ERR_refused);
	assert_int_equal(prover_knows(alpha, "beta", &err), 0);
	prover_free(&alpha);
	prover_free(&eve);
}

static void statement(const char *key, const struct force *force, uint8_t ret[SIGN_BYTES])
{
	struct curve_keys keys;
	struct sign_keys sign;
	char text[FORCE_TEXT_SIZE];
	struct err err;

	assert_int_equal(keys_load(key, &keys, &err), 0);
	assert_int_equal(sign_derive(&keys, &sign, &err), 0);
	sign_make(&sign, text, force_text(force, text), ret);
}

/* Whoever brings it: a coordinator, too, can only pass on what an operator has signed. */
static void force_is_an_operators_word_for_one_handover(void **state)
{
	struct prover *alpha = prover(alpha_key, "alpha"), *beta = prover(beta_key, "beta");
	struct force force = {.migration = at_alpha.migration,
			      .container = "web",
			      .source = "alpha",
			      .target = "beta",
			      .owner = "source",
			      .operator= "ops",
			      .reason = "beta is off",
			      .epoch = 3};
	struct handover_row later = at_alpha;
	uint8_t sig[SIGN_BYTES];
	struct err err;

	(void)state;
	statement(ops_key, &force, sig);
	assert_int_equal(
		prover_force(alpha, &at_alpha, "ops", "beta is off", sig, SIGN_BYTES, &err), 0);
	/* Another reason, side, epoch, name; no signature at all. */
	assert_int_equal(prover_force(alpha, &at_alpha, "ops", "beta is on", sig, SIGN_BYTES, &err),
			 -ERR_denied);
	assert_int_equal(prover_force(beta, &at_beta, "ops", "beta is off", sig, SIGN_BYTES, &err),
			 -ERR_denied);
	later.epoch = 4;
	assert_int_equal(prover_force(alpha, &later, "ops", "beta is off", sig, SIGN_BYTES, &err),
			 -ERR_denied);
	assert_int_equal(
		prover_force(alpha, &at_alpha, "eve", "beta is off", sig, SIGN_BYTES, &err),
		-ERR_denied);
	assert_int_equal(prover_force(alpha, &at_alpha, "ops", "beta is off", sig, 0, &err),
			 -ERR_denied);
	/* A worker's key is no operator's, not even the own one. */
	force.operator= "alpha";
	statement(alpha_key, &force, sig);
	assert_int_equal(
		prover_force(alpha, &at_alpha, "alpha", "beta is off", sig, SIGN_BYTES, &err),
		-ERR_denied);
	force.operator= "ops";
	statement(eve_key, &force, sig);
	assert_int_equal(
		prover_force(alpha, &at_alpha, "ops", "beta is off", sig, SIGN_BYTES, &err),
		-ERR_denied);
	prover_free(&alpha);
	prover_free(&beta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits_only_its_own_claim),
		cmocka_unit_test(nobody_else_can_make_it),
		cmocka_unit_test(force_is_an_operators_word_for_one_handover),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
