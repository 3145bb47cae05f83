/* SPDX-License-Identifier: MPL-2.0
 *
 * A roster is understood whole or refused with file, line and advice; nothing in it can break out
 * of an authorized_keys line. */
#include "base/file.h"
#include "base/mem.h"
#include "proto/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY1 "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY2 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define SSH1 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJoNOBIZ7Yf1Mzt0cXMGLJj1sBJ2dWJu2g9y7VVHmV4A"
#define SSH2 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJoNOBIZ7Yf1Mzt0cXMGLJj1sBJ2dWJu2g9y7VVHmV4B"

static char path[64];

static int load(const char *text, struct roster **ret, struct err *err)
{
	int r;

	str_copy(path, sizeof(path), "/tmp/drover-roster-XXXXXX");
	close(mkstemp(path));
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, err), 0);
	r = roster_load(path, ret, err);
	unlink(path);
	return r;
}

static void nodes_come_in_file_order(void **state)
{
	struct roster *roster = NULL;
	struct err err = {0};
	int r;

	(void)state;
	r = load("[zeta]\nrole = worker\ncurve = " KEY1 "\nssh-host-key = " SSH1 " root@zeta\n"
		 "ssh-transfer-key = " SSH2 "\naddress = 10.0.0.2, fe80::1%eth0,zeta.lan\n"
		 "ssh-port = 2222\n\n[alpha]\ncurve = " KEY2 "\nrole = coordinator\n",
		 &roster, &err);
	if (r)
		fail_msg("%s", err.text);
	assert_int_equal(roster_len(roster), 2);
	assert_string_equal(roster_at(roster, 0)->id, "zeta");
	assert_string_equal(roster_at(roster, 0)->ssh_host_key, SSH1);
	assert_int_equal(roster_at(roster, 0)->addresses, 3);
	assert_string_equal(roster_at(roster, 0)->address[1], "fe80::1%eth0");
	assert_int_equal(roster_at(roster, 0)->ssh_port, 2222);
	assert_null(roster_at(roster, 2));
	assert_ptr_equal(roster_find(roster, "alpha"), roster_at(roster, 1));
	assert_ptr_equal(roster_find_curve(roster, KEY1), roster_at(roster, 0));
	assert_null(roster_find(roster, "alph"));
	assert_null(roster_find(roster, NULL));
	assert_null(roster_find_curve(roster, ""));
	roster_free(&roster);
}

static void wrong_lines_are_told_with_their_place(void **state)
{
	/* clang-format off */
	static const struct { const char *text, *want; } rows[] = {
		{ "[a]\nrole = wroker\n",                ":2: no role \"wroker\" (did you mean worker?)" },
		{ "[a]\nrole = boss\n",                  ":2: no role \"boss\": it is worker" },
		{ "[a]\nrole = worker\nadress = x\n",    ":3: unknown setting \"adress\" (did you mean address?)" },
		{ "[a]\nrole = worker\nrole = worker\n", ":3: [a] has role twice" },
		{ "[a]\ncurve = 123\n",                  ":2: the curve key" },
		{ "[a b]\nrole = worker\n",              ":2: [a b] is no node id" },
		{ "[a..b]\nrole = worker\n",             "is no node id" },
		{ "[aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeee]\nrole = worker\n", "is no node id" },
		{ "role = worker\n",                     ":1: [] is no node id" },
		{ "[a]\nssh-port = 70000\n",             ":2: ssh-port" },
		{ "[a]\naddress = 1.2.3.4,,b\n",         ":2: \"\" is no host" },
		{ "[a]\naddress = -oProxyCommand=x\n",   ":2: \"-oProxyCommand=x\" is no host" },
		{ "[a]\naddress = a b\n",                ":2: addresses are separated" },
		{ "[a]\nssh-host-key = ssh-dss AAAA\n",  ":2: unknown ssh key type \"ssh-dss\"" },
		{ "[a]\nssh-host-key = ssh-ed25519 AAA\n", ":2: the ssh key is not" },
		{ "[a]\nssh-host-key = ssh-ed25519 AAAA\"\n", ":2: the ssh key is not" },
		{ "[a]\nrevoked = maybe\n",              ":2: revoked is" },
		{ "[a]\ncurve = " KEY1 "\n",             ": [a] has no role" },
		{ "[a]\nrole = worker\n",                ": [a] has no curve key" },
		{ "[a]\nrole = worker\ncurve = " KEY1 "\n[b]\nrole = worker\ncurve = " KEY1 "\n",
		  "have the same curve key" },
		{ "[a]\nrole = worker\ncurve = " KEY1 "\n[b]\nrole = worker\ncurve = " KEY2 "\n"
		  "[a]\nrole = worker\ncurve = " KEY2 "\n", "a and a have the same id" },
		{ "[a]\nrole = worker\ncurve = " KEY1 "\nssh-host-key = " SSH1 "\n"
		  "[b]\nrole = worker\ncurve = " KEY2 "\nssh-host-key = " SSH1 "\n", "new host keys" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct roster *roster = NULL;
		struct err err = {0};

		assert_int_equal(load(rows[i].text, &roster, &err), -ERR_config);
		assert_null(roster);
		if (!strstr(err.text, rows[i].want) || !str_starts(err.text, path))
			fail_msg("\"%s\" lacks \"%s\"", err.text, rows[i].want);
	}
}

static void an_absent_roster_is_no_such_thing(void **state)
{
	struct roster *roster = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(roster_load("/nonexistent/roster", &roster, &err), -ERR_nosuch);
	assert_int_equal(roster_len(NULL), 0);
	assert_null(roster_find(NULL, "a"));
}

static void only_working_workers_may_send_files(void **state)
{
	struct roster *roster = NULL;
	struct err err = {0};
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_int_equal(load("[w]\nrole=worker\ncurve=" KEY1 "\nssh-transfer-key=" SSH1
			      " command=\"sh\" x\n[o]\nrole=operator\ncurve=" KEY2
			      "\nssh-transfer-key=" SSH2 "\n",
			      &roster, &err),
			 0);
	roster_authorized_keys(roster, out);
	fclose(out);
	assert_string_equal(text,
			    "restrict,command=\"" DROVER_LIBEXEC "/drover-receive\" " SSH1 " w\n");
	roster_free(&roster);
}

static void what_is_printed_reads_back(void **state)
{
	struct roster *roster = NULL, *again = NULL;
	struct err err = {0};
	char text[1024] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_int_equal(load("[w]\nrole=worker\ncurve=" KEY1 "\nssh-host-key=" SSH1
			      "\naddress=a,b\nssh-port=23\nrevoked=yes\n",
			      &roster, &err),
			 0);
	roster_print(roster_at(roster, 0), out);
	fclose(out);
	assert_int_equal(load(text, &again, &err), 0);
	assert_memory_equal(roster_at(roster, 0), roster_at(again, 0), sizeof(struct roster_node));
	roster_free(&roster);
	roster_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_come_in_file_order),
		cmocka_unit_test(wrong_lines_are_told_with_their_place),
		cmocka_unit_test(an_absent_roster_is_no_such_thing),
		cmocka_unit_test(only_working_workers_may_send_files),
		cmocka_unit_test(what_is_printed_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
