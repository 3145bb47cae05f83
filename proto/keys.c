/* SPDX-License-Identifier: MPL-2.0
 *
 * Node key files. Owns their format; refuses files that others can read, names it does not know and
 * text that is no Z85 key. Secrets are wiped from every buffer that held them. */
#include "proto/keys.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <zmq.h>

#define KEY_FILE_MAX 4096
#define KEY_SETTING "curve-secret"

void keys_wipe(struct curve_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

bool keys_z85_ok(const char *s, uint8_t ret_raw[KEY_RAW_SIZE])
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
	uint8_t raw[KEY_RAW_SIZE];
	bool ok;

	if (!s || strlen(s) != KEY_Z85_LEN || strspn(s, alphabet) != KEY_Z85_LEN)
		return false;
	/* Five characters can spell more than 32 bits; libzmq refuses those. */
	ok = zmq_z85_decode(raw, s);
	if (ok && ret_raw)
		memcpy(ret_raw, raw, sizeof(raw));
	explicit_bzero(raw, sizeof(raw));
	return ok;
}

void keys_fingerprint(const char *z85, char ret_hex[KEY_FINGERPRINT_SIZE])
{
	uint8_t raw[KEY_RAW_SIZE];

	ret_hex[0] = '\0';
	if (keys_z85_ok(z85, raw))
		str_hex(ret_hex, raw, (KEY_FINGERPRINT_SIZE - 1) / 2);
}

/* O_EXCL, so that nobody's key is lost by a second run and no link is followed. */
static int write_new(const char *path, const char *text, size_t len, struct err *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0 && errno == EEXIST) {
		fail(err, ERR_busy, "%s exists already", path);
		return err_fix(err, "keep it, or replace the node's identity with --force");
	}
	if (fd < 0)
		return fail_errno(err, ERR_io, "creating %s", path);
	r = file_write_all(fd, text, len, err);
	if (r == 0 && fsync(fd) < 0)
		r = fail_errno(err, ERR_io, "syncing %s", path);
	if (r < 0) {
		unlink(path);
		return err_wrap(err, "writing %s", path);
	}
	return 0;
}

int keys_generate(const char *path, bool force, struct curve_keys *ret_keys, struct err *err)
{
	struct curve_keys keys;
	char text[512];
	int r;

	if (zmq_curve_keypair(keys.public, keys.secret) < 0)
		return fail(err, ERR_config,
			    "making a CURVE key: this libzmq was built without it");
	str_fmt(text, sizeof(text),
		"# drover node key: keep it secret, it is this host's identity.\n"
		"# curve-public = %s\n" KEY_SETTING " = %s\n",
		keys.public, keys.secret);
	if (force)
		r = file_write_atomic(path, text, strlen(text), 0600, err);
	else
		r = write_new(path, text, strlen(text), err);
	if (r == 0 && ret_keys)
		*ret_keys = keys;
	explicit_bzero(text, sizeof(text));
	keys_wipe(&keys);
	return r;
}

/* One line, cut in place. Sets keys->secret; comments and blank lines are fine. */
static int parse_line(char *line, struct curve_keys *keys, struct err *err)
{
	static const char blank[] = " \t\r";
	char *name = line + strspn(line, blank);
	char *value = strchr(name, '=');
	size_t len;

	if (*name == '\0' || *name == '#' || *name == ';')
		return 0;
	len = strcspn(name, " \t\r=");
	if (!value || len != strlen(KEY_SETTING) || strncmp(name, KEY_SETTING, len) != 0)
		return fail(err, ERR_config, "only \"" KEY_SETTING " = KEY\" belongs here");
	if (keys->secret[0])
		return fail(err, ERR_config, "a second " KEY_SETTING);
	value += 1 + strspn(value + 1, blank);
	value[strcspn(value, blank)] = '\0';
	if (!keys_z85_ok(value, NULL))
		return fail(err, ERR_config, "the key is not 40 characters of Z85");
	str_copy(keys->secret, sizeof(keys->secret), value);
	return 0;
}

static int parse(const char *path, char *text, size_t len, struct curve_keys *keys, struct err *err)
{
	unsigned number = 0;
	char *line;

	if (strlen(text) != len)
		return fail(err, ERR_config, "%s: has NUL bytes, so it is no key file", path);
	while ((line = strsep(&text, "\n"))) {
		number++;
		if (parse_line(line, keys, err) < 0)
			return err_wrap(err, "%s:%u", path, number);
	}
	if (!keys->secret[0])
		return fail(err, ERR_config, "%s: has no line \"" KEY_SETTING " = KEY\"", path);
	if (zmq_curve_public(keys->public, keys->secret) < 0)
		return fail(err, ERR_config, "%s: no public key belongs to this secret", path);
	return 0;
}

int keys_load(const char *path, struct curve_keys *ret_keys, struct err *err)
{
	struct curve_keys keys = {0};
	char *text = NULL;
	size_t len = 0;
	int r;

	r = file_read_secret(path, KEY_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	r = parse(path, text, len, &keys, err);
	explicit_bzero(text, len);
	free(text);
	if (r == 0)
		*ret_keys = keys;
	else if (err && err->code == ERR_config && !err->fix[0])
		err_fix(err, "restore the file from a backup, or enroll the node with a new key");
	keys_wipe(&keys);
	return r;
}
