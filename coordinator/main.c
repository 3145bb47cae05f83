/* SPDX-License-Identifier: MPL-2.0
 *
 * drover-coordinator: options, keys and roster, then the loop. Started as root it reads its secret
 * key and drops to node.user for good before it opens a socket. */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "coordinator/args.h"
#include "coordinator/balance.h"
#include "coordinator/serve.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int load(void *arg, struct options *options, struct err *err)
{
	const struct args *args = arg;
	enum balance_mode mode;
	char host[NAME_SIZE] = "", assignment[NAME_SIZE + 16];
	int rc = options_load(options, args->config ? args->config : DROVER_CONFIG, err);

	if (rc == -ERR_nosuch)
		rc = args->config ? fail(err, ERR_config, "%s is not there", args->config) : 0;
	for (size_t i = 0; !rc && i < args->n_sets; i++)
		rc = options_set(options, args->sets[i], err);
	if (!rc && !balance_mode_parse(options_str(options, OPT_coordinator_rebalance), &mode))
		rc = fail(err, ERR_config, "coordinator.rebalance takes off, suggest or auto");
	if (rc || options_str(options, OPT_node_id)[0])
		return rc;
	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	str_fmt(assignment, sizeof(assignment), "node.id=%s", host);
	return options_set(options, assignment, err);
}

/* A directory that the user may write; one that is there already keeps its owner. */
static int own_dir(const char *path, mode_t mode, const struct passwd *user, struct err *err)
{
	struct stat st;
	int rc;

	if (stat(path, &st) == 0)
		return 0;
	rc = file_mkdirs(path, mode, err);
	if (!rc && chown(path, user->pw_uid, user->pw_gid) < 0)
		rc = fail_errno(err, ERR_io, "chown %s", path);
	return rc;
}

static int drop_root(const struct options *options, struct err *err)
{
	const char *name = options_str(options, OPT_node_user);
	const struct passwd *user = getpwnam(name);
	const char *state = options_str(options, OPT_node_state);
	char own[4096];
	int rc;

	if (geteuid() != 0)
		return 0;
	if (!user || user->pw_uid == 0) {
		fail(err, ERR_config, "there is no unprivileged user %s to run as", name);
		return err_fix(err, "useradd --system %s, or set node.user", name);
	}
	str_fmt(own, sizeof(own), "%s/coordinator", state);
	rc = own_dir(options_str(options, OPT_node_run), 0755, user, err);
	if (!rc)
		rc = file_mkdirs(state, 0755, err);
	if (!rc)
		rc = own_dir(own, 0700, user, err);
	if (rc)
		return rc;
	if (initgroups(name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
	    setuid(user->pw_uid) < 0)
		return fail_errno(err, ERR_denied, "becoming user %s", name);
	return 0;
}

static int load_trust(const struct options *options, struct curve_keys *ret_keys,
		      struct roster **ret_roster, struct err *err)
{
	int rc = keys_load(options_str(options, OPT_node_key), ret_keys, err);

	return rc ? rc : roster_load(options_str(options, OPT_node_roster), ret_roster, err);
}

/* A key is read by the one whom it belongs to: root before it drops, or the user after that. */
static int start(struct options *options, const struct options_loader *loader, struct err *err)
{
	struct roster *roster = NULL;
	struct curve_keys keys = {0};
	struct stat st;
	bool roots = stat(options_str(options, OPT_node_key), &st) == 0 && st.st_uid == 0;
	int rc = roots ? load_trust(options, &keys, &roster, err) : 0;

	if (!rc)
		rc = drop_root(options, err);
	if (!rc && !roots)
		rc = load_trust(options, &keys, &roster, err);
	if (!rc)
		rc = serve(options, loader, &keys, &roster, err);
	roster_free(&roster);
	keys_wipe(&keys);
	return rc;
}

/* Each worker takes two connections: two descriptors, and buffers of libzmq of which little is ever
 * touched. As mappings of their own, what is not touched takes no memory. */
static void make_room(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	mallopt(M_MMAP_THRESHOLD, 12000);
}

int main(int argc, char **argv)
{
	struct options *options = options_new();
	struct err err = {0};
	struct args args;
	struct options_loader loader = {load, &args};
	int level, rc;

	umask(022);
	make_room();
	args_parse(&args, argc, argv);
	rc = load(&args, options, &err);
	level = log_level_parse(options_str(options, OPT_node_log));
	log_init("drover-coordinator", level < 0 ? LOG_LEVEL_INFO : (enum log_level)level);
	if (!rc)
		rc = start(options, &loader, &err);
	if (rc < 0) {
		log_error(LOG_LEVEL_ERR, "", &err);
		rc = err_exit_code(err.code);
	}
	options_free(&options);
	return rc;
}
