/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/dirs.h"

#include "base/file.h"
#include "base/str.h"

#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

int dirs_user(const struct options *options, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
	const char *name = options_str(options, OPT_node_user);
	const struct passwd *pw = getpwnam(name);

	if (!pw) {
		fail(err, ERR_config, "there is no user \"%s\"", name);
		return err_fix(err, "useradd --system %s, or set node.user", name);
	}
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

/* With this mode and owner whoever made it, and when. */
static int make_own(const char *path, uid_t uid, gid_t gid, struct err *err)
{
	int rc = file_mkdirs(path, 0755, err);

	if (!rc && (chown(path, uid, gid) < 0 || chmod(path, 0700) < 0))
		rc = fail_errno(err, ERR_io, "%s", path);
	return rc;
}

int dirs_make(const struct options *options, struct err *err)
{
	const char *run = options_str(options, OPT_node_run);
	char path[PATH_MAX];
	uid_t uid = 0;
	gid_t gid = 0;
	int rc = dirs_user(options, &uid, &gid, err);

	str_fmt(path, sizeof(path), "%s/probe", run);
	if (!rc)
		rc = make_own(path, 0, 0, err);
	str_fmt(path, sizeof(path), "%s/tickets", run);
	if (!rc)
		rc = make_own(path, uid, gid, err);
	str_fmt(path, sizeof(path), "%s/relay", run);
	if (!rc)
		rc = make_own(path, uid, gid, err);
	str_fmt(path, sizeof(path), "%s/staging", run);
	if (!rc)
		rc = file_mkdirs(path, 0711, err);
	str_fmt(path, sizeof(path), "%s/.drover", options_str(options, OPT_worker_storage));
	if (!rc)
		rc = file_mkdirs(path, 0711, err);
	return rc ? rc : file_mkdirs(options_str(options, OPT_node_state), 0755, err);
}
