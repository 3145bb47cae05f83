/* SPDX-License-Identifier: MPL-2.0
 *
 * The whole way through a real sshd on a port of its own: sender process, SSH, drover-receive as
 * forced command, unpack. A host key other than the pinned one ends it before any login; a wrong
 * ticket is refused; a killed sender leaves no receiver behind. Skipped where there is no sshd or
 * no root. */
#include "transfer_rig.h"

#include "transfer/sender.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>

#define SSHD "/usr/sbin/sshd"
#define KEYGEN "/usr/bin/ssh-keygen"
#define MIB (1024 * 1024)
#define PAYLOAD ((size_t)256 * MIB)

extern char **environ;

struct site {
	struct rig rig;
	pid_t sshd;
	uint16_t port;
	struct sender_connect connect;
	pid_t sender;
	int control;
};

static void run(const char *const argv[])
{
	pid_t pid;
	int status;

	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, (char **)argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void keygen(const struct site *s, const char *name)
{
	char path[PATH_MAX];

	str_fmt(path, sizeof(path), "%s/%s", s->rig.dir, name);
	run((const char *[]){KEYGEN, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path,
			     NULL});
}

static char *read_key(const struct site *s, const char *name)
{
	char path[PATH_MAX];
	char *text;

	str_fmt(path, sizeof(path), "%s/%s", s->rig.dir, name);
	assert_int_equal(file_read(path, 4096, &text, NULL, NULL), 0);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static uint16_t free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* drover-receive lies beside the tests' directory in the build tree. */
static void receiver_path(char *out)
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);

	assert_true(n > 0);
	out[n] = '\0';
	for (int up = 0; up < 3; up++)
		*strrchr(out, '/') = '\0';
	strcat(out, "/drover-receive");
}

static void write_config(struct site *s)
{
	char receive[PATH_MAX], text[3 * PATH_MAX];
	auto_free char *key = read_key(s, "user_key.pub");

	receiver_path(receive);
	str_fmt(text, sizeof(text), "[node]\nrun = %s\n", s->rig.dir);
	rig_text(s->rig.dir, "drover.conf", text);
	str_fmt(text, sizeof(text), "restrict,command=\"%s --config %s/drover.conf\" %s\n", receive,
		s->rig.dir, key);
	rig_text(s->rig.dir, "authorized_keys", text);
	str_fmt(text, sizeof(text),
		"Port %u\nListenAddress 127.0.0.1\nHostKey %s/host_key\nAuthorizedKeysFile "
		"%s/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin "
		"forced-commands-only\nPasswordAuthentication no\nMaxStartups 100\n",
		s->port, s->rig.dir, s->rig.dir);
	rig_text(s->rig.dir, "sshd_config", text);
}

static bool answers(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int r = connect(fd, (struct sockaddr *)&a, sizeof(a));

	close(fd);
	return r == 0;
}

static bool site_init(struct site *s)
{
	char config[PATH_MAX];
	auto_free char *host_key = NULL;

	*s = (struct site){.control = -1};
	if (geteuid() || access(SSHD, X_OK) || access(KEYGEN, X_OK))
		return false;
	mkdir("/run/sshd", 0755);
	rig_init(&s->rig);
	s->rig.uid = 0; /* sshd logs in as whoever runs the test */
	rig_give(&s->rig);
	rig_new_ticket(&s->rig, 1ull << 30);
	keygen(s, "host_key");
	keygen(s, "other_key");
	keygen(s, "user_key");
	s->port = free_port();
	write_config(s);
	str_fmt(config, sizeof(config), "%s/sshd_config", s->rig.dir);
	assert_int_equal(posix_spawn(&s->sshd, SSHD, NULL, NULL,
				     (char *const[]){SSHD, "-D", "-e", "-q", "-f", config, NULL},
				     environ),
			 0);
	for (int i = 0; i < 100 && !answers(s->port); i++)
		usleep(20000);
	host_key = read_key(s, "host_key.pub");
	str_copy(s->connect.address, sizeof(s->connect.address), "127.0.0.1");
	s->connect.port = s->port;
	str_copy(s->connect.host_key, sizeof(s->connect.host_key), host_key);
	str_copy(s->connect.user, sizeof(s->connect.user), "root");
	str_fmt(s->connect.key_path, sizeof(s->connect.key_path), "%s/user_key", s->rig.dir);
	return true;
}

static void site_sender(struct site *s)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	s->sender = fork();
	if (s->sender == 0) {
		close(pair[0]);
		_exit(sender_run(pair[1]));
	}
	close(pair[1]);
	s->control = pair[0];
}

static void site_end_sender(struct site *s)
{
	int status;

	if (s->control < 0)
		return;
	close(s->control);
	s->control = -1;
	assert_int_equal(waitpid(s->sender, &status, 0), s->sender);
}

static void site_done(struct site *s)
{
	site_end_sender(s);
	kill(s->sshd, SIGTERM);
	while (waitpid(-1, NULL, 0) > 0)
		; /* readers too */
	rig_done(&s->rig);
}

/* The next message that is no progress. */
static struct sender_msg next(struct site *s)
{
	struct sender_msg msg;

	do {
		struct pollfd p = {.fd = s->control, .events = POLLIN};
		int fd;

		assert_int_equal(poll(&p, 1, 60000), 1);
		assert_int_equal(sender_ctl_recv(s->control, &msg, &fd, NULL), 0);
		assert_int_equal(fd, -1);
	} while (msg.kind == SENDER_progress);
	return msg;
}

static struct sender_msg ask(struct site *s, const struct sender_msg *msg, int fd)
{
	assert_int_equal(sender_ctl_send(s->control, msg, fd, NULL), 0);
	return next(s);
}

static struct sender_msg do_connect(struct site *s)
{
	struct sender_msg msg = {.kind = SENDER_connect, .connect = s->connect};

	return ask(s, &msg, -1);
}

static struct sender_msg do_open(struct site *s, unsigned sessions)
{
	struct sender_msg msg = {
		.kind = SENDER_open,
		.open = {.epoch = RIG_EPOCH, .codec = CODEC_auto, .sessions = (uint8_t)sessions}};

	str_copy(msg.open.migration, sizeof(msg.open.migration), RIG_MIGRATION);
	memcpy(msg.open.secret, s->rig.ticket.secret, sizeof(msg.open.secret));
	return ask(s, &msg, -1);
}

static void start_pass(struct site *s, bool final)
{
	struct sender_msg msg = {.kind = SENDER_pass, .pass = {.final = final}};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	if (fork() == 0) {
		close(s->control);
		close(pair[0]);
		_exit(reader_run(pair[1], &s->rig.plan, NULL) ? 1 : 0);
	}
	close(pair[1]);
	assert_int_equal(sender_ctl_send(s->control, &msg, pair[0], NULL), 0);
	close(pair[0]);
}

/* 40 % zero, 30 % text, 30 % random, by pages. */
static uint8_t *payload(void)
{
	uint8_t *data = mem_new(1, PAYLOAD);

	for (size_t i = 0; i < PAYLOAD / PAGE_BYTES; i++) {
		uint8_t *page = data + i * PAGE_BYTES;
		unsigned kind = i % 10;

		if (kind >= 7)
			rig_random(page, PAGE_BYTES, i);
		else if (kind >= 4)
			for (size_t k = 0; k < PAGE_BYTES; k += 32)
				snprintf((char *)page + k, 32, "key%05u=%u", (unsigned)i,
					 (unsigned)k);
	}
	return data;
}

static void send_all(struct site *s, unsigned sessions)
{
	struct sender_msg msg;
	uint64_t start;
	double took;

	site_sender(s);
	start = clock_mono_us();
	msg = do_connect(s);
	assert_int_equal(msg.kind, SENDER_connected);
	print_message("connected in %.1f ms\n", (double)(clock_mono_us() - start) / 1e3);
	start = clock_mono_us();
	msg = do_open(s, sessions);
	if (msg.kind == SENDER_error)
		print_message("%s\n", msg.error.text);
	assert_int_equal(msg.kind, SENDER_opened);
	print_message("opened in %.1f ms\n", (double)(clock_mono_us() - start) / 1e3);
	start = clock_mono_us();
	start_pass(s, true);
	msg = next(s);
	took = (double)(clock_mono_us() - start) / 1e6;
	assert_int_equal(msg.kind, SENDER_passed);
	if (msg.passed.code)
		print_message("%s\n", msg.passed.text);
	assert_int_equal(msg.passed.code, 0);
	print_message("%u sessions: %.0f MB/s of payload, %.0f MB on the wire\n", sessions,
		      (double)PAYLOAD / 1e6 / took, (double)msg.passed.sent_bytes / 1e6);
	memcpy(s->rig.result.seal, msg.passed.digest, SEAL_BYTES);
	site_end_sender(s);
}

static void payload_arrives_through_sshd(void **state)
{
	for (unsigned sessions = 1; sessions <= 2; sessions++) {
		auto_free uint8_t *data = NULL;
		struct site s;
		uint64_t start;

		(void)state;
		if (!site_init(&s))
			skip();
		data = payload();
		rig_write(s.rig.dump, "pages-1.img", data, PAYLOAD);
		rig_text(s.rig.dump, "inventory.img", "small");
		rig_text(s.rig.src, "config.json", "{}");
		s.rig.plan.images = s.rig.dump;
		rig_tree(&s.rig, "bundle");
		send_all(&s, sessions);
		start = clock_mono_us();
		assert_int_equal(rig_unpack(&s.rig), 0);
		print_message("unpacked in %.0f ms\n", (double)(clock_mono_us() - start) / 1e3);
		rig_same(s.rig.images, "pages-1.img", data, PAYLOAD);
		rig_same(s.rig.dst, "config.json", "{}", 2);
		site_done(&s);
	}
}

static void another_command_is_refused(void **state)
{
	char receive[PATH_MAX];
	char *env[] = {"SSH_ORIGINAL_COMMAND=scp -t /", NULL};
	pid_t pid;
	int status;

	(void)state;
	receiver_path(receive);
	assert_int_equal(
		posix_spawn(&pid, receive, NULL, NULL, (char *const[]){receive, NULL}, env), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), err_exit_code(ERR_refused));
}

static void another_host_key_is_refused(void **state)
{
	auto_free char *other = NULL;
	struct sender_msg msg;
	struct site s;

	(void)state;
	if (!site_init(&s))
		skip();
	other = read_key(&s, "other_key.pub");
	str_copy(s.connect.host_key, sizeof(s.connect.host_key), other);
	site_sender(&s);
	msg = do_connect(&s);
	assert_int_equal(msg.kind, SENDER_error);
	assert_int_equal(msg.error.code, ERR_denied);
	assert_non_null(strstr(msg.error.text, "pinned"));
	site_done(&s);
}

static void an_unknown_user_key_is_refused(void **state)
{
	struct sender_msg msg;
	struct site s;

	(void)state;
	if (!site_init(&s))
		skip();
	str_fmt(s.connect.key_path, sizeof(s.connect.key_path), "%s/other_key", s.rig.dir);
	site_sender(&s);
	msg = do_connect(&s);
	assert_int_equal(msg.kind, SENDER_error);
	assert_int_equal(msg.error.code, ERR_denied);
	site_done(&s);
}

static void a_wrong_ticket_is_refused(void **state)
{
	struct sender_msg msg;
	struct site s;

	(void)state;
	if (!site_init(&s))
		skip();
	s.rig.ticket.secret[0] ^= 1;
	site_sender(&s);
	assert_int_equal(do_connect(&s).kind, SENDER_connected);
	msg = do_open(&s, 1);
	assert_int_equal(msg.kind, SENDER_error);
	assert_int_equal(msg.error.code, ERR_denied);
	site_done(&s);
}

/* Processes whose program is ours and that were started for this site. */
static unsigned receivers_of(const struct site *s)
{
	auto_closedir DIR *proc = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(proc))) {
		char path[300], text[4096];
		int fd;
		ssize_t len;

		str_fmt(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY);
		len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[len > 0 ? len : 0] = '\0';
		if (strstr(text, "/drover-receive") && !strstr(text, " ") && len > 0 &&
		    memmem(text, (size_t)len, s->rig.dir, strlen(s->rig.dir)))
			n++;
	}
	return n;
}

static void wait_for_receivers(const struct site *s, unsigned want)
{
	for (int i = 0; i < 250 && receivers_of(s) != want; i++)
		usleep(20000);
	assert_int_equal(receivers_of(s), want);
}

static void a_killed_sender_leaves_no_receiver(void **state)
{
	auto_free uint8_t *data = payload();
	struct site s;

	(void)state;
	if (!site_init(&s))
		skip();
	rig_write(s.rig.dump, "pages-1.img", data, PAYLOAD);
	s.rig.plan.images = s.rig.dump;
	site_sender(&s);
	assert_int_equal(do_connect(&s).kind, SENDER_connected);
	assert_int_equal(do_open(&s, 2).kind, SENDER_opened);
	wait_for_receivers(&s, 2);
	start_pass(&s, true);
	usleep(50000);
	kill(s.sender, SIGKILL);
	wait_for_receivers(&s, 0);
	site_done(&s);
}

static void close_ends_a_pass_at_once(void **state)
{
	struct sender_msg close_msg = {.kind = SENDER_close}, msg;
	auto_free uint8_t *data = payload();
	uint64_t start;
	struct site s;
	int status;

	(void)state;
	if (!site_init(&s))
		skip();
	rig_write(s.rig.dump, "pages-1.img", data, PAYLOAD);
	s.rig.plan.images = s.rig.dump;
	site_sender(&s);
	assert_int_equal(do_connect(&s).kind, SENDER_connected);
	assert_int_equal(do_open(&s, 1).kind, SENDER_opened);
	start_pass(&s, true);
	usleep(50000);
	start = clock_mono_ms();
	msg = ask(&s, &close_msg, -1);
	assert_int_equal(msg.kind, SENDER_passed);
	assert_int_equal(msg.passed.code, ERR_canceled);
	assert_int_equal(waitpid(s.sender, &status, 0), s.sender);
	assert_true(clock_mono_ms() - start < 500);
	close(s.control);
	s.control = -1;
	wait_for_receivers(&s, 0);
	site_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payload_arrives_through_sshd),
		cmocka_unit_test(another_command_is_refused),
		cmocka_unit_test(another_host_key_is_refused),
		cmocka_unit_test(an_unknown_user_key_is_refused),
		cmocka_unit_test(a_wrong_ticket_is_refused),
		cmocka_unit_test(a_killed_sender_leaves_no_receiver),
		cmocka_unit_test(close_ends_a_pass_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
