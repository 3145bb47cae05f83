/* SPDX-License-Identifier: MPL-2.0
 *
 * The command table. A new command is a new row here, with what it needs of cli/flags.h. */
#include "cli/commands.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/table.h"

#include <string.h>

const char *const command_group_titles[GROUP_COUNT] = {
	[GROUP_look] = "Look",    [GROUP_move] = "Move", [GROUP_hosts] = "Hosts",
	[GROUP_setup] = "Set up", [GROUP_help] = "Help",
};

/* clang-format off */
#define CTR      { "CTR",  VALUE_container, AT(request.container), false }
#define CTR_OPT  { "CTR",  VALUE_container, AT(request.container), true }
#define JOB      { "JOB",  VALUE_job,       AT(request.job),       false }
#define HOST     { "HOST", VALUE_host,      AT(request.host),      false }
#define HOSTS    { "HOST", VALUE_hosts,     AT(request.hosts),     false, true }
#define FILE_ARG { "FILE", VALUE_file,      AT(file),              false }

static const struct command commands[] = {
	{ .name = "status", .aliases = "st", .group = GROUP_look,
	  .help = "the cluster at a glance",
	  .more = "Shows the coordinator, each host with its load, what moves right now, and every "
		  "container that is held and waits for a person.",
	  .examples = {
		{ "drover status", "everything on one page" },
		{ "drover status --watch", "the same, drawn again on every event" },
		{ "drover status --json | jq .cluster", "for programs" } },
	  .flags = FLAGS_FORM | FLAG(watch), .run = ask_run, .print = status_print },

	{ .name = "hosts", .aliases = "host nodes", .group = GROUP_look,
	  .help = "hosts, their load and state",
	  .more = "A host is up, suspect (never chosen as a target) or dead. What runs on a host "
		  "that is not heard of is unknown, not dead.",
	  .examples = {
		{ "drover hosts", "all hosts" },
		{ "drover hosts -o wide", "with kernel, CRIU, pressure and disk" },
		{ "drover hosts -c host,state,mem --watch=2", "three columns, every two seconds" } },
	  .flags = FLAGS_LIST, .noun = &noun_hosts, .run = ask_run, .print = list_print },

	{ .name = "ps", .aliases = "containers", .group = GROUP_look,
	  .help = "containers and where they run",
	  .more = "Lists the containers that the workers have found, with the host that each runs "
		  "on. A container that a migration holds shows that job; --all also lists the "
		  "copies on the other side of a hand-over.",
	  .examples = {
		{ "drover ps", "all containers" },
		{ "drover ps --host alpha", "those on one host" },
		{ "drover ps --stuck", "those that cannot move live, and why" },
		{ "drover ps -o plain -c container,host", "for scripts: tabs, no headings" } },
	  .flags = FLAGS_LIST | FLAG(on) | FLAG(copies) | FLAG(movable) | FLAG(stuck),
	  .noun = &noun_places, .run = ask_run, .print = list_print },

	{ .name = "check", .group = GROUP_look,
	  .help = "whether and where a container can move",
	  .more = "Asks source and targets for everything that can be known before the container "
		  "is touched: CPU, kernel, CRIU, memory, disk, network, mounts, devices, policies. "
		  "Prints the targets by score with the terms of each score, and the refused ones "
		  "with code, reason and remedy. With --host all containers of that host are judged "
		  "as its evacuation would: no two of them count on the same room. Nothing is frozen "
		  "and nothing is copied.\n"
		  "Containers that move as one (see drover migrate) get one verdict, that of the worst "
		  "of them, on hosts with room for all; its reason says whose it is.\n"
		  "Verdicts: live, warn (live with warnings), cold (only when it is stopped), no. Exit "
		  "code 0: all can move live. 4: some cannot. 3: none can.",
	  .examples = {
		{ "drover check web", "rank all hosts" },
		{ "drover check web --to beta", "one host only" },
		{ "drover check --host alpha", "could alpha be emptied?" },
		{ "drover check web --skip cpu,version", "as if these checks had passed" } },
	  .operands = { CTR_OPT },
	  .flags = FLAGS_FORM | FLAG(to) | FLAG(ready) | FLAG(skip) | FLAG(force) | FLAG(maxdown),
	  .timeout_ms = 45000, /* both workers are asked, 15 s each */
	  .run = ask_run, .print = check_print },

	{ .name = "explain", .group = GROUP_look,
	  .help = "what a reason code means",
	  .more = "Codes such as E-CPU-XSAVE come from check, ps and failed jobs. Without CODE all "
		  "are listed: what they bar, what --skip calls them, what they mean.",
	  .examples = {
		{ "drover explain E-CPU-XSAVE", "meaning, example, remedy, related codes" },
		{ "drover explain", "all codes" },
		{ "drover explain iouring --json", "for programs" } },
	  .operands = { { "CODE", VALUE_text, AT(word), true } }, .flags = FLAGS_TABLE,
	  .noun = &noun_codes, .run = explain_run },

	{ .name = "migrate", .aliases = "mv move", .group = GROUP_move,
	  .help = "move a running container to another host",
	  .more = "Files and memory are copied while the container runs; then it is frozen, the "
		  "rest is sent, and it goes on at the target with its connections open. Whatever "
		  "fails before that point, the container stays and runs where it was.\n"
		  "With --cold it is told to stop (then killed, after worker.stop_timeout), its files "
		  "are moved, and it is started at the target: what it had in memory is gone, and its "
		  "clients must connect again. If that fails it is started where it was. A policy "
		  "with move = cold asks for the same.\n"
		  "Containers of one host with the same label drover.group, in the same named network "
		  "namespace, or with a volume that one of them writes to, move as one, up to eight: "
		  "all or none, each a job of its own. drover.group=none: volumes tie it to nobody.\n"
		  "Ctrl-C detaches: the job goes on. It can be followed again or canceled.",
	  .examples = {
		{ "drover migrate web", "to the best host" },
		{ "drover migrate web --to beta", "to this host" },
		{ "drover migrate web --cold", "stopped, moved and started" },
		{ "drover migrate web --to beta --detach", "print the job's id and return" },
		{ "drover migrate web --deadline 30s --json", "one JSON object at the end" } },
	  .operands = { CTR },
	  .flags = FLAGS_FORM | FLAG(to) | FLAG(from) | FLAG(force) | FLAG(skip) | FLAG(maxdown) |
		   FLAG(cold) | FLAG(allowcold) | FLAG(detach) |
		   FLAG(deadline) | FLAG(reason) | FLAG(events),
	  .run = follow_run, .print = migrate_print },

	{ .name = "evacuate", .aliases = "drain", .group = GROUP_move,
	  .help = "empty hosts before maintenance",
	  .more = "Shows where each container would go and which cannot move, asks, then marks all "
		  "the hosts so that nothing moves onto them and moves their running containers "
		  "off, largest first, at most two out of a host and two into one at a time. A "
		  "container whose move fails stays where it runs and is tried on one other host. "
		  "Nothing is stopped unless --on-stuck says so. cold: what cannot move live, or has "
		  "failed to, is stopped, moved and started. stop: what no host can take even so is "
		  "stopped where it is, after all the moves, so that no container runs there any "
		  "more; restore starts it again. A policy's move = never keeps it running. At the "
		  "deadline no more moves and stops begin.\n"
		  "Ctrl-C detaches: the evacuation goes on. pause, resume and cancel take the "
		  "host's name or the id. The hosts stay marked until restore or uncordon.\n"
		  "Exit code 0: the hosts are empty. 4: something is left, and the last line says "
		  "what and why.",
	  .examples = {
		{ "drover evacuate alpha -m 'new disk'", "plan, question, moves" },
		{ "drover evacuate alpha beta --dry-run", "only the plan" },
		{ "drover evacuate alpha -y --deadline 30m", "for scripts" },
		{ "drover evacuate alpha --on-stuck stop", "what can go nowhere is stopped until a restore" },
		{ "drover evacuate alpha --at 22:30", "tonight; drover cancel takes it back" } },
	  .operands = { HOSTS },
	  .flags = FLAGS_FORM | FLAG(reason) | FLAG(within) | FLAG(parallel) | FLAG(dryrun) |
		   FLAG(save) | FLAG(yes) | FLAG(skip) | FLAG(force) | FLAG(detach) | FLAG(at) |
		   FLAG(onstuck),
	  .timeout_ms = 30000, .run = drain_run, .print = plan_print },

	{ .name = "restore", .group = GROUP_move,
	  .help = "bring an evacuated host's guests home",
	  .more = "Lifts the mark of evacuate and moves back those containers that it moved away and "
		  "that still are where it put them. What was moved elsewhere since stays there.",
	  .examples = {
		{ "drover restore alpha", "plan, question, moves" },
		{ "drover restore alpha --no-return", "only make it a target again" } },
	  .operands = { HOSTS },
	  .flags = FLAGS_FORM | FLAG(within) | FLAG(parallel) | FLAG(dryrun) | FLAG(save) |
		   FLAG(yes) | FLAG(skip) | FLAG(force) | FLAG(detach) | FLAG(noreturn) | FLAG(at) |
		   FLAG(onstuck),
	  .timeout_ms = 30000, .run = drain_run, .print = plan_print },

	{ .name = "rebalance", .group = GROUP_move,
	  .help = "even out the load of the hosts",
	  .more = "Proposes a few moves, each with its reason, and shows the hosts before and after; "
		  "when there is nothing to gain it says why. A host counts as loaded as its fullest "
		  "resource. With coordinator.rebalance = auto the coordinator does this by itself, "
		  "and leaves a container alone for a while that it has moved. A group that moves as one "
		  "counts as one move of the sum of its loads.",
	  .examples = {
		{ "drover rebalance", "only the proposal" },
		{ "drover rebalance --apply", "proposal, question, moves" },
		{ "drover rebalance --by mem --max-moves 5 --save plan.json", "for later: drover apply" } },
	  .flags = FLAGS_FORM | FLAG(apply) | FLAG(by) | FLAG(maxmoves) | FLAG(save) | FLAG(yes) |
		   FLAG(reason) | FLAG(within) | FLAG(detach),
	  .timeout_ms = 30000, .run = drain_run, .print = plan_print },

	{ .name = "apply", .group = GROUP_move,
	  .help = "carry out a saved plan",
	  .more = "FILE is what --save of evacuate, restore or rebalance wrote; a line taken out of "
		  "it is a container that stays. The plan is refused when a host of it is down or "
		  "was started again, or a container is not where it was.",
	  .examples = {
		{ "drover apply plan.json", "shows it and asks" },
		{ "drover apply plan.json -y", "for scripts" } },
	  .operands = { FILE_ARG },
	  .flags = FLAGS_FORM | FLAG(reason) | FLAG(within) | FLAG(parallel) | FLAG(dryrun) |
		   FLAG(yes) | FLAG(skip) | FLAG(force) | FLAG(detach),
	  .timeout_ms = 30000, .run = apply_run, .print = plan_print },

	{ .name = "simulate", .aliases = "sim", .group = GROUP_look,
	  .help = "what balancing policies would do, in virtual time",
	  .more = "Runs the coordinator's own balancing (rebalance = auto, with the settings of the "
		  "configuration) against a simulated cluster, beside the rules of other products "
		  "and doing nothing, and prints one table: moves, moves back, host-ticks above 90 % "
		  "(a tick is 10 s), how many of those each move avoided, and how uneven it is in "
		  "the end. The load is generated, the same for each policy, or with FILE the one "
		  "that --record has taken from a live cluster. No coordinator is asked but by "
		  "--record.",
	  .examples = {
		{ "drover simulate", "all shapes, all policies" },
		{ "drover simulate --shape noisy --set balance.overload=75", "try a threshold" },
		{ "drover simulate --record monday.jsonl --for 8h", "record this cluster" },
		{ "drover simulate monday.jsonl --json", "what each policy would have done" } },
	  .operands = { { "FILE", VALUE_file, AT(file), true } },
	  .flags = FLAGS_TABLE | FLAG(shape) | FLAG(policy) | FLAG(set) | FLAG(simhosts) |
		   FLAG(simcts) | FLAG(seeds) | FLAG(seed) | FLAG(lasting) | FLAG(record),
	  .noun = &noun_simulated, .run = simulate_run },

	{ .name = "pause", .group = GROUP_move,
	  .help = "begin no more moves of an evacuation for now",
	  .more = "Moves under way are finished. JOB is the host's name or the evacuation's id.",
	  .examples = {
		{ "drover pause alpha", "the evacuation of alpha" },
		{ "drover resume alpha", "go on" } },
	  .operands = { JOB }, .flags = FLAGS_FORM | FLAG(reason), .run = ask_run,
	  .print = plan_print },

	{ .name = "resume", .group = GROUP_move,
	  .help = "go on with a paused evacuation",
	  .more = "The opposite of pause.",
	  .examples = {
		{ "drover resume alpha", "the evacuation of alpha" },
		{ "drover job alpha --follow", "watch it" } },
	  .operands = { JOB }, .flags = FLAGS_FORM | FLAG(reason), .run = ask_run,
	  .print = plan_print },

	{ .name = "jobs", .group = GROUP_move,
	  .help = "migrations that run or wait",
	  .more = "With --all also those that have ended lately; history goes further back.",
	  .examples = {
		{ "drover jobs", "what goes on now" },
		{ "drover jobs --all -o wide", "with figures" },
		{ "drover jobs --json", "for programs" } },
	  .flags = FLAGS_LIST | FLAG(all), .noun = &noun_jobs, .run = ask_run,
	  .print = list_print },

	{ .name = "job", .group = GROUP_move,
	  .help = "one job: state, figures, log",
	  .more = "JOB is an id, the end of one when only one job ends like that, or a container's "
		  "name for its latest job. Hosts keep CRIU's logs for 14 days; of one that is gone the "
		  "coordinator has the end. With --log --json the job has its hosts' whole logs with it.",
	  .examples = {
		{ "drover job web", "the latest job of web" },
		{ "drover job web --follow", "with progress until it ends" },
		{ "drover job 7QK3 --log --host alpha", "CRIU's whole log, from that host" },
		{ "drover job 7QK3 --log --json | jq -r .logs[].text", "the same for programs" } },
	  .operands = { JOB }, .flags = FLAGS_FORM | FLAG(log) | FLAG(logof) | FLAG(follow), .run = follow_run,
	  .print = job_print },

	{ .name = "watch", .aliases = "events", .group = GROUP_look,
	  .help = "events as they happen",
	  .more = "Prints one line an event until it is stopped; with --json one JSON object a line.",
	  .examples = {
		{ "drover watch", "everything" },
		{ "drover watch --json | jq -r .kind", "for programs" } },
	  .flags = FLAGS_FORM, .run = events_run },

	{ .name = "cancel", .group = GROUP_move,
	  .help = "stop a job; its container stays where it runs",
	  .more = "A job that is past the point of no return ends as MOVED all the same. Of an "
		  "evacuation, moves before their freeze are canceled, the others are finished, "
		  "and no more begin; JOB may be its host.",
	  .examples = {
		{ "drover cancel web", "the running job of web" },
		{ "drover cancel 7QK3 -m 'wrong host'", "by the end of its id, with a reason" } },
	  .operands = { JOB }, .flags = FLAGS_FORM | FLAG(reason), .run = ask_run,
	  .print = job_print },

	{ .name = "force", .group = GROUP_move,
	  .help = "decide a HELD job when the other host is off for good",
	  .more = "A job is HELD while one of its two hosts is silent at the moment of the "
		  "handover: nobody runs the container, and only that host's word could say who "
		  "may. When it is off for good, a person decides instead: --owner source thaws "
		  "the frozen original, --owner target starts the restored copy (it stays armed "
		  "for twice worker.hold). A job that ended as LOST is given back to its source "
		  "in the same way, with the memory of the moment of its freeze.\n"
		  "THE OTHER HOST MUST BE OFF: unplugged, not just silent. Should it still run, "
		  "the container runs twice. drover refuses while it hears that host, asks for its "
		  "name, and has the decision signed by an operator of the roster, which the owner's "
		  "worker checks. Who, why and when is kept in the history.",
	  .examples = {
		{ "drover force web --owner source --reason 'beta has burnt out'", "asks for beta's name" },
		{ "drover force web --owner source --confirm beta --reason 'power supply of beta' --json", "in a script" },
		{ "drover force web --owner target --confirm alpha --reason 'alpha is in repair'", "start the restored copy" } },
	  .operands = { JOB },
	  .flags = FLAGS_FORM | FLAG(owner) | FLAG(why) | FLAG(confirm) | FLAG(key),
	  .run = force_run, .print = migrate_print },

	{ .name = "history", .group = GROUP_look,
	  .help = "past migrations with their figures",
	  .more = "Newest first: predicted and measured downtime stand side by side.",
	  .examples = {
		{ "drover history", "the latest 20" },
		{ "drover history web -n 5", "of one container" },
		{ "drover history -o wide", "with bytes, rounds and user" } },
	  .operands = { CTR_OPT }, .flags = FLAGS_LIST | FLAG(limit), .noun = &noun_history,
	  .run = ask_run, .print = history_print },

	{ .name = "cordon", .group = GROUP_hosts,
	  .help = "let no container move onto a host",
	  .more = "What runs there stays. The mark and its reason outlive restarts.",
	  .examples = {
		{ "drover cordon alpha -m 'disk swap on Friday'", "with the reason that hosts shows" },
		{ "drover cordon alpha", "" } },
	  .operands = { HOST }, .flags = FLAGS_FORM | FLAG(reason), .run = ask_run,
	  .print = cordon_print },

	{ .name = "uncordon", .group = GROUP_hosts,
	  .help = "let containers move onto a host again",
	  .more = "The opposite of cordon.",
	  .examples = {
		{ "drover uncordon alpha", "alpha is a target again" },
		{ "drover hosts -c host,state", "see which are cordoned" } },
	  .operands = { HOST }, .flags = FLAGS_FORM, .run = ask_run, .print = cordon_print },

	{ .name = "config", .group = GROUP_setup,
	  .help = "settings, their values and where they come from",
	  .more = "Every setting is listed with its section. --check reads a file, says what is "
		  "wrong in which line, and changes nothing. --example prints a file to begin with.",
	  .examples = {
		{ "drover config", "all settings in force" },
		{ "drover config -o wide", "with limits and help" },
		{ "drover config --check new.conf", "before installing it" },
		{ "drover config --example > new.conf", "a file to begin with" } },
	  .flags = FLAGS_TABLE | FLAG(checkfile) | FLAG(example), .noun = &noun_settings, .run = config_run },

	{ .name = "keygen", .group = GROUP_setup,
	  .help = "make this node's key",
	  .more = "Writes a new CURVE secret, mode 0600, and prints the public key for the roster. "
		  "With --public nothing is written.",
	  .examples = {
		{ "drover keygen /etc/drover/node.key", "a new key" },
		{ "drover keygen --public /etc/drover/node.key", "the public half of that one" } },
	  .operands = { FILE_ARG }, .flags = FLAGS_FORM | FLAG(public) | FLAG(replace),
	  .run = keygen_run },

	{ .name = "roster check", .group = GROUP_setup,
	  .help = "read a roster and say what is wrong in it",
	  .more = "Without FILE the one that the configuration names. Lists the nodes when all is well.",
	  .examples = {
		{ "drover roster check", "the roster in force" },
		{ "drover roster check ./roster.new", "before installing it" } },
	  .operands = { { "FILE", VALUE_file, AT(file), true } }, .flags = FLAGS_TABLE,
	  .noun = &noun_roster, .run = roster_check_run },

	{ .name = "roster authorized-keys", .group = GROUP_setup,
	  .help = "authorized_keys lines for user drover",
	  .more = "One line a worker, each good for the payload receiver and nothing else. sshd can "
		  "ask for them: AuthorizedKeysCommand.",
	  .examples = {
		{ "drover roster authorized-keys", "from the roster in force" },
		{ "drover roster authorized-keys --config ./drover.conf", "from another" } },
	  .run = roster_keys_run },

	{ .name = "version", .group = GROUP_help,
	  .help = "which version this is",
	  .more = "Also prints the version of the wire protocol.",
	  .examples = {
		{ "drover version", "" },
		{ "drover version --json", "for programs" } },
	  .flags = FLAGS_FORM, .run = version_run },

	{ .name = "completion", .group = GROUP_help,
	  .help = "completion for bash, zsh or fish",
	  .more = "Names of hosts, containers and jobs are asked of the coordinator.",
	  .examples = {
		{ "source <(drover completion bash)", "in ~/.bashrc" },
		{ "drover completion zsh > ~/.zfunc/_drover", "in a directory of $fpath" },
		{ "drover completion fish | source", "in config.fish" } },
	  .operands = { { "SHELL", VALUE_text, AT(word), false } }, .run = completion_run },

	{ .name = "man", .group = GROUP_help,
	  .help = "the manual pages, as roff",
	  .more = "drover(1), made from the same table as this help, or drover-errors(7), made from "
		  "the table of reason codes.",
	  .examples = {
		{ "drover man | man -l -", "read it" },
		{ "drover man errors | man -l -", "the reason codes" } },
	  .operands = { { "PAGE", VALUE_text, AT(word), true } }, .run = manual_run },

	{ .name = "help", .group = GROUP_help,
	  .help = "this list, or one command in full",
	  .more = "The same as drover COMMAND --help.",
	  .examples = {
		{ "drover help migrate", "one command" },
		{ "drover help", "all commands" } },
	  .operands = { { "COMMAND", VALUE_text, AT(word), true },
			{ "SUBCOMMAND", VALUE_text, AT(second_word), true } },
	  .run = help_run },
};
/* clang-format on */

const struct command *command_at(size_t i)
{
	return i < ARRAY_LEN(commands) ? &commands[i] : NULL;
}

static bool word_in(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; at && len; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (!strncmp(at, word, len) && (at[len] == ' ' || !at[len]))
			return true;
	}
	return false;
}

bool command_is_family(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (str_starts(commands[i].name, word) && commands[i].name[len] == ' ')
			return true;
	}
	return false;
}

/* "roster" alone, or with a second word that is none. */
static int fail_family(const char *word, const char *second, struct err *err)
{
	char words[256] = "", near[64] = "";
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t used = strlen(words);

		if (str_starts(commands[i].name, word) && commands[i].name[len] == ' ')
			str_fmt(words + used, sizeof(words) - used, "%s%s", used ? " " : "",
				commands[i].name + len + 1);
	}
	if (second)
		words_nearest(words, second, near, sizeof(near));
	fail(err, ERR_usage, "%s needs one of: %s", word, words);
	return *near ? err_fix(err, "did you mean: drover %s %s", word, near) : -err->code;
}

static int fail_unknown(const char *word, struct err *err)
{
	const char *names[3 * ARRAY_LEN(commands)];
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[n++] = commands[i].name;
	near = str_nearest(word, names, n);
	fail(err, ERR_usage, "there is no command \"%.80s\"", word);
	if (near)
		return err_fix(err, "did you mean: drover %s", near);
	return err_fix(err, "drover help lists the commands");
}

int command_find(int argc, char *const *argv, const struct command **ret, int *ret_used,
		 struct err *err)
{
	auto_free char *two = argc > 1 ? str_new("%s %s", argv[0], argv[1]) : NULL;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		*ret = &commands[i];
		*ret_used = 1;
		if (str_eq(commands[i].name, argv[0]) || word_in(commands[i].aliases, argv[0]))
			return 0;
		*ret_used = 2;
		if (two && str_eq(commands[i].name, two))
			return 0;
	}
	*ret = NULL;
	if (command_is_family(argv[0]))
		return fail_family(argv[0], argc > 1 ? argv[1] : NULL, err);
	return fail_unknown(argv[0], err);
}
