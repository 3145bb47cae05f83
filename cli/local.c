/* SPDX-License-Identifier: MPL-2.0
 *
 * Commands that read or write files of this machine and ask nobody. */
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/report.h"

#include "proto/keys.h"
#include "proto/roster.h"

#include <jansson.h>
#include <string.h>

static void print_object(struct cli *cli, json_t *object)
{
	json_object_print(cli->out, object);
}

int version_run(struct cli *cli)
{
	if (cli->in.format == FORMAT_json)
		print_object(cli, json_pack("{s:s, s:i}", "version", DROVER_VERSION, "protocol",
					    MSG_VERSION));
	else
		fprintf(cli->out, "drover %s, protocol %d\n", DROVER_VERSION, MSG_VERSION);
	return 0;
}

/* One row of the option table with its value. */
struct setting {
	const char *section, *name, *type, *def, *help;
	uint64_t min, max;
	char value[1024];
	const char *from;
};

/* clang-format off */
static const struct setting setting_rows[OPTION_COUNT] = {
#define X(section_, name_, type_, def_, min_, max_, help_) [OPT_##section_##_##name_] = { \
	.section = #section_, .name = #name_, .type = #type_, .def = def_, .help = help_, \
	.min = min_, .max = max_ },
	OPTION_TABLE(X)
#undef X
};
/* clang-format on */

#define SETTING_OF(what, statement) \
	TEXT(what) \
	{ \
		const struct setting *r = record; \
		statement; \
	}

SETTING_OF(setting_name, cell_set(cell, "%s.%s", r->section, r->name))
SETTING_OF(setting_from, cell_set(cell, "%s", r->from))
SETTING_OF(setting_type, cell_set(cell, "%s", r->type))
SETTING_OF(setting_default, cell_set(cell, "%s", r->def))
SETTING_OF(setting_help, cell_set(cell, "%s", r->help))

TEXT(setting_value)
{
	const struct setting *r = record;

	cell_set(cell, "%s", r->value);
	cell->tone = str_eq(r->from, "default") ? TONE_plain : TONE_live;
}

TEXT(setting_limits)
{
	const struct setting *r = record;

	if (r->max && (str_eq(r->type, "u64") || str_eq(r->type, "ms")))
		cell_set(cell, "%" PRIu64 "..%" PRIu64, r->min, r->max);
}

/* clang-format off */
static const struct column setting_columns[] = {
	{ "setting", "setting", setting_name,    0 },
	{ "value",   "value",   setting_value,   COLUMN_CUT },
	{ "from",    "from",    setting_from,    COLUMN_CUT },
	{ "type",    "type",    setting_type,    COLUMN_WIDE },
	{ "default", "default", setting_default, COLUMN_WIDE | COLUMN_CUT },
	{ "limits",  "limits",  setting_limits,  COLUMN_WIDE },
	{ "help",    "help",    setting_help,    COLUMN_WIDE | COLUMN_CUT },
};

const struct noun noun_settings = {
	.stride = sizeof(struct setting),
	.columns = setting_columns, .n_columns = ARRAY_LEN(setting_columns),
};
/* clang-format on */

/* A value as the file would say it. */
static void value_text(const struct options *options, enum option_id option, char *buf, size_t size)
{
	const char *type = setting_rows[option].type;
	uint64_t number;
	char human[STR_HUMAN_SIZE];

	if (str_eq(type, "flag")) {
		str_copy(buf, size, options_flag(options, option) ? "yes" : "no");
	} else if (str_eq(type, "ms")) {
		number = options_u64(options, option);
		str_fmt(buf, size, number % 1000 ? "%" PRIu64 "ms" : "%" PRIu64 "s",
			number % 1000 ? number : number / 1000);
	} else if (str_eq(type, "bytes")) {
		number = options_u64(options, option);
		str_fmt(buf, size, "%s", number ? str_human_bytes(human, number) : "0");
	} else if (str_eq(type, "u64")) {
		str_fmt(buf, size, "%" PRIu64, options_u64(options, option));
	} else {
		str_copy(buf, size, options_str(options, option));
	}
}

/* Prints through a noun that has no schema record: its JSON keys are the columns' keys. */
int local_print(struct cli *cli, const struct noun *noun, const void *first, size_t n)
{
	static const struct style bare = {0};
	struct column_set set;
	struct err err = {0};
	json_t *list;

	if (columns_choose(noun, cli->in.format >= FORMAT_wide && cli->in.format != FORMAT_plain,
			   cli->in.columns, &set, &err))
		return report_err(cli, NULL, &err);
	if (cli->in.format != FORMAT_json) {
		table_print(cli->out, &cli->style, noun, &set,
			    (struct table_look){.headings = !cli->in.no_headings,
						.plain = cli->in.format == FORMAT_plain},
			    first, n);
		return 0;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *object = json_object();

		for (size_t c = 0; c < set.n; c++) {
			struct cell cell = {.style = &bare};

			set.v[c]->text(&cell, (const char *)first + i * noun->stride);
			json_object_set_new(object, set.v[c]->key, json_string(cell.text));
		}
		json_array_append_new(list, object);
	}
	print_object(cli, list);
	return 0;
}

static int check_config(struct cli *cli)
{
	struct options *options = options_new();
	struct err err = {0};
	int code = options_load(options, cli->in.check_file, &err);

	options_free(&options);
	if (code)
		return report_err(cli, NULL, &err);
	if (cli->in.format == FORMAT_json)
		print_object(cli, json_pack("{s:s, s:b}", "file", cli->in.check_file, "ok", 1));
	else
		fprintf(cli->out, "%s is right\n", cli->in.check_file);
	return 0;
}

/* A file that changes nothing until lines of it are uncommented. */
static int print_example(struct cli *cli)
{
	const char *section = "";

	fputs("# Configuration of drover, the same on every node but for [node]. Each line shows a "
	      "default.\n",
	      cli->out);
	for (const struct setting *r = setting_rows; r < setting_rows + OPTION_COUNT; r++) {
		if (!str_eq(section, r->section))
			fprintf(cli->out, "\n[%s]\n", r->section);
		section = r->section;
		fprintf(cli->out, "# %s\n#%s =%s%s\n", r->help, r->name, *r->def ? " " : "",
			r->def);
	}
	fputs("\n# Where containers may go and how: any number of these, the first that matches "
	      "counts.\n#[policy NAME]\n",
	      cli->out);
	for (enum policy_key key = 0; key < POLICY_KEY_COUNT; key++)
		fprintf(cli->out, "# %s\n#%s =\n", policy_row(key)->help, policy_row(key)->name);
	fputs("\n# Maintenance windows of the coordinator: any number of these.\n#[window NAME]\n",
	      cli->out);
	for (enum window_key key = 0; key < WINDOW_KEY_COUNT; key++)
		fprintf(cli->out, "# %s\n#%s =\n", window_kind.rows[key].help,
			window_kind.rows[key].name);
	return 0;
}

int config_run(struct cli *cli)
{
	auto_free struct setting *settings = mem_new(OPTION_COUNT, sizeof(*settings));
	struct options *defaults;

	if (cli->in.check_file)
		return check_config(cli);
	if (cli->in.example)
		return print_example(cli);
	defaults = options_new();
	for (int option = 0; option < OPTION_COUNT; option++) {
		char value[sizeof(settings->value)];

		settings[option] = setting_rows[option];
		value_text(defaults, option, value, sizeof(value));
		value_text(cli->options, option, settings[option].value, sizeof(value));
		settings[option].from = str_eq(value, settings[option].value) || !cli->config
						? "default"
						: cli->config;
	}
	options_free(&defaults);
	return local_print(cli, &noun_settings, settings, OPTION_COUNT);
}

int keygen_run(struct cli *cli)
{
	struct curve_keys keys = {0};
	struct sign_keys sign = {0};
	char fingerprint[KEY_FINGERPRINT_SIZE];
	struct err err = {0};
	int code;

	if (cli->in.public_only)
		code = keys_load(cli->in.file, &keys, &err);
	else
		code = keys_generate(cli->in.file, cli->in.request.force, &keys, &err);
	if (code == -ERR_busy && !*err.fix)
		err_fix(&err, "--force replaces it; this node's place in the roster is lost then");
	if (!code)
		code = sign_derive(&keys, &sign, &err);
	if (code)
		return report_err(cli, NULL, &err);
	keys_fingerprint(keys.public, fingerprint);
	if (cli->in.format == FORMAT_json)
		print_object(cli, json_pack("{s:s, s:s, s:s, s:s}", "file", cli->in.file, "curve",
					    keys.public, "sign", sign.public, "fingerprint",
					    fingerprint));
	else if (cli->in.public_only || cli->in.quiet)
		fprintf(cli->out, "%s\n", keys.public);
	else
		fprintf(cli->out, "%s, mode 0600\n  curve = %s\n  sign = %s\n  fingerprint %s\n",
			cli->in.file, keys.public, sign.public, fingerprint);
	sign_wipe(&sign);
	keys_wipe(&keys);
	return 0;
}

#define NODE_OF(what, statement) \
	TEXT(what) \
	{ \
		const struct roster_node *r = record; \
		statement; \
	}

NODE_OF(node_id, cell_set(cell, "%s", r->id))
NODE_OF(node_role, cell_set(cell, "%s", role_name(r->role)))
NODE_OF(node_curve, cell_set(cell, "%s", r->curve))
NODE_OF(node_port, cell_set(cell, "%u", (unsigned)r->ssh_port))
NODE_OF(node_ssh, cell_set(cell, "%s%s%s", *r->ssh_host_key ? "host" : "",
			   *r->ssh_host_key && * r->ssh_transfer_key ? "," : "",
			   *r->ssh_transfer_key ? "transfer" : ""))

TEXT(node_state)
{
	const struct roster_node *r = record;

	cell_set(cell, "%s", r->revoked ? "revoked" : "enrolled");
	cell->tone = r->revoked ? TONE_bad : TONE_plain;
}

TEXT(node_key)
{
	const struct roster_node *r = record;
	char fingerprint[KEY_FINGERPRINT_SIZE];

	keys_fingerprint(r->curve, fingerprint);
	cell_set(cell, "%s", fingerprint);
}

TEXT(node_addresses)
{
	const struct roster_node *r = record;

	for (size_t i = 0; i < r->addresses; i++) {
		size_t used = strlen(cell->text);

		str_fmt(cell->text + used, sizeof(cell->text) - used, "%s%s", i ? "," : "",
			r->address[i]);
	}
}

/* clang-format off */
static const struct column node_columns[] = {
	{ "node",        "id",          node_id,        0 },
	{ "role",        "role",        node_role,      0 },
	{ "state",       "state",       node_state,     0 },
	{ "addresses",   "addresses",   node_addresses, COLUMN_CUT },
	{ "fingerprint", "fingerprint", node_key,       0 },
	{ "ssh",         "ssh",         node_ssh,       0 },
	{ "ssh-port",    "ssh_port",    node_port,      COLUMN_RIGHT | COLUMN_WIDE },
	{ "curve",       "curve",       node_curve,     COLUMN_WIDE },
};

const struct noun noun_roster = {
	.stride = sizeof(struct roster_node), .empty = "The roster is right, and empty.",
	.columns = node_columns, .n_columns = ARRAY_LEN(node_columns),
};
/* clang-format on */

static int load_roster(struct cli *cli, struct roster **ret, struct err *err)
{
	const char *path = cli->in.file ? cli->in.file : options_str(cli->options, OPT_node_roster);

	return roster_load(path, ret, err);
}

int roster_check_run(struct cli *cli)
{
	struct roster *roster = NULL;
	struct err err = {0};
	int exit_code;

	if (load_roster(cli, &roster, &err))
		return report_err(cli, NULL, &err);
	exit_code = local_print(cli, &noun_roster, roster_at(roster, 0), roster_len(roster));
	roster_free(&roster);
	return exit_code;
}

int roster_keys_run(struct cli *cli)
{
	struct roster *roster = NULL;
	struct err err = {0};

	if (load_roster(cli, &roster, &err))
		return report_err(cli, NULL, &err);
	roster_authorized_keys(roster, cli->out);
	roster_free(&roster);
	return 0;
}
