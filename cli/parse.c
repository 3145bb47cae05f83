/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line becomes a struct invocation. argp(3) walks it twice: once in order up to the
 * command's name, once over the rest, where options and arguments may be mixed. Its own messages
 * are off: errors are sentences with the nearest name, made here. */
#include "cli/flags.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"

#include <argp.h>
#include <string.h>

#define KEY_FIRST 0x1000 /* argp keys of rows are KEY_FIRST + id, or the row's letter */

/* One walk of argp over a part of the command line. */
struct walk {
	struct invocation *in;
	flag_set flags;
	bool find_command; /* stop at the first argument */
	int stopped_at;    /* its index; after an error, the index past the bad word */
	unsigned operands;
	struct err *err;
};

static int flag_of_key(const struct walk *walk, int key)
{
	for (int id = 0; id < FLAG_COUNT; id++) {
		if (walk->flags & FLAG_BIT(id) &&
		    (key == KEY_FIRST + id ||
		     (flag_rows[id].letter && key == flag_rows[id].letter)))
			return id;
	}
	return -1;
}

static int take_operand(struct walk *walk, const char *text)
{
	const struct command *command = walk->in->command;
	const struct operand *operand = &command->operands[walk->operands];
	uint64_t max;

	if (walk->operands && command->operands[walk->operands - 1].many)
		operand = &command->operands[--walk->operands];
	if (walk->operands == OPERANDS_MAX || !operand->name) {
		fail(walk->err, ERR_usage, "%s takes no argument \"%.80s\"", command->name, text);
		return err_fix(walk->err, "see: drover %s --help", command->name);
	}
	walk->operands++;
	max = operand->kind == VALUE_text ? 63 : operand->kind == VALUE_hosts ? 64 : 0;
	return value_store(walk->in, operand->name, operand->kind, operand->place, NULL, max, text,
			   walk->err);
}

static error_t on_key(int key, char *text, struct argp_state *state)
{
	struct walk *walk = state->input;
	char said[WORD_SIZE];
	int id;

	if (key == ARGP_KEY_ARG && walk->find_command) {
		walk->stopped_at = state->next - 1;
		state->next = state->argc;
		return 0;
	}
	if (key == ARGP_KEY_ARG)
		return take_operand(walk, text) ? EINVAL : 0;
	if (key == ARGP_KEY_ERROR)
		walk->stopped_at = state->next;
	id = flag_of_key(walk, key);
	if (id < 0)
		return ARGP_ERR_UNKNOWN;
	str_fmt(said, sizeof(said), "--%s", flag_rows[id].name);
	return value_store(walk->in, said, flag_rows[id].kind, flag_rows[id].place,
			   flag_rows[id].words, flag_rows[id].max, text, walk->err)
		       ? EINVAL
		       : 0;
}

/* argp says only where it stopped; the sentence is made from the word there. */
static void explain_stop(struct walk *walk, const char *word)
{
	char names[FLAG_COUNT * 16] = "", near[WORD_SIZE], name[WORD_SIZE];
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	str_fmt(name, sizeof(name), "%.*s", (int)len, word);
	for (int id = 0; id < FLAG_COUNT; id++) {
		const struct flag *row = &flag_rows[id];
		size_t used = strlen(names);

		if (!(walk->flags & FLAG_BIT(id)))
			continue;
		if (str_eq(name + strspn(name, "-"), row->name) ||
		    (name[1] == row->letter && row->letter && !name[2])) {
			fail(walk->err, ERR_usage,
			     row->value ? "%s needs a value: %s" : "%s takes no value", name,
			     row->value);
			return;
		}
		str_fmt(names + used, sizeof(names) - used, "%s--%s", used ? " " : "", row->name);
	}
	fail(walk->err, ERR_usage, "unknown option %s", name);
	if (*words_nearest(names, name, near, sizeof(near)))
		err_fix(walk->err, "did you mean %s?", near);
	else if (walk->in->command)
		err_fix(walk->err, "see: drover %s --help", walk->in->command->name);
	else
		err_fix(walk->err, "see: drover --help");
}

/* getopt stays at a group of letters until its last. */
static const char *bad_word(const struct walk *walk, int argc, char **argv)
{
	int at = walk->stopped_at;

	if (at < argc && argv[at][0] == '-' && (at < 2 || argv[at - 1][0] != '-'))
		return argv[at];
	return argv[at > 0 ? at - 1 : 0];
}

static int walk_run(struct walk *walk, int argc, char **argv)
{
	struct argp_option rows[FLAG_COUNT + 1] = {0};
	struct argp argp = {.options = rows, .parser = on_key};
	unsigned how = ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT;
	size_t n = 0;

	for (int id = 0; id < FLAG_COUNT; id++) {
		const struct flag *row = &flag_rows[id];

		if (!(walk->flags & FLAG_BIT(id)))
			continue;
		rows[n++] = (struct argp_option){
			.name = row->name,
			.key = row->letter ? row->letter : KEY_FIRST + id,
			.arg = row->value,
			.flags = row->kind == VALUE_period ? OPTION_ARG_OPTIONAL : 0,
		};
	}
	if (walk->find_command)
		how |= ARGP_IN_ORDER;
	if (!argp_parse(&argp, argc, argv, how, NULL, walk))
		return 0;
	if (!walk->err->code)
		explain_stop(walk, bad_word(walk, argc, argv));
	return -walk->err->code;
}

static int missing_operand(const struct invocation *in, unsigned given, struct err *err)
{
	const struct operand *operand = given < OPERANDS_MAX ? &in->command->operands[given] : NULL;

	if (!operand || !operand->name || operand->optional || in->help || in->version ||
	    in->check_file)
		return 0;
	fail(err, ERR_usage, "%s needs %s", in->command->name, operand->name);
	return err_fix(err, "for example: %s", in->command->examples[0].line);
}

/* "drover roster --help": no command, and yet a question with an answer. */
static bool asks_for_help(struct invocation *in, int argc, char **argv)
{
	if (!command_is_family(argv[0]))
		return false;
	in->family = argv[0];
	for (int i = 1; i < argc; i++)
		in->help |= str_eq(argv[i], "--help") || str_eq(argv[i], "-h");
	return in->help;
}

int invocation_parse(struct invocation *in, int argc, char **argv, struct err *err)
{
	struct walk walk = {.in = in, .flags = FLAGS_GLOBAL, .find_command = true, .err = err};
	int used, at, code;

	*in = (struct invocation){0};
	*err = (struct err){0};
	code = walk_run(&walk, argc, argv);
	at = walk.stopped_at;
	if (code || !at)
		return code;
	code = command_find(argc - at, argv + at, &in->command, &used, err);
	if (code && asks_for_help(in, argc - at, argv + at)) {
		*err = (struct err){0};
		return 0;
	}
	if (code)
		return code;
	walk = (struct walk){.in = in, .flags = FLAGS_GLOBAL | in->command->flags, .err = err};
	code = walk_run(&walk, argc - at - used + 1, argv + at + used - 1);
	if (!in->timeout_ms)
		in->timeout_ms = in->command->timeout_ms ? in->command->timeout_ms : TIMEOUT_MS;
	return code ? code : missing_operand(in, walk.operands, err);
}

void invocation_done(struct invocation *in)
{
	struct msg_strs *lists[] = {&in->request.skip, &in->request.hosts, &in->shapes,
				    &in->policies, &in->settings};

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l]->n; i++)
			free((char *)lists[l]->v[i]);
		free(lists[l]->v);
		*lists[l] = (struct msg_strs){0};
	}
}
