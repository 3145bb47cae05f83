/* SPDX-License-Identifier: MPL-2.0
 *
 * The executor's loop: structs from the bus side, children, hooks, deadlines, beats. Timers run on
 * every turn, however busy the rest is. When the bus side is gone the executor ends, and whatever
 * was not released runs on: the next start finds the rest in the journal. */
#include "worker/executor.h"
#include "worker/facts.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/tasks.h"
#include "worker/dirs.h"
#include "worker/drain_hooks.h"
#include "worker/logs.h"
#include "worker/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define POLL_MAX 1024
#define UNDO_LIMIT_MS 30000

/* --- directories --- */

void mig_staging_dir(const struct executor *x, const struct mig *m, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/staging/%s", options_str(x->options, OPT_node_run),
		m->row.migration);
}

/* The name tells drover-hook that a restore from here must ask first. */
void mig_images_dir(const struct executor *x, const struct mig *m, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/staging/%s/drover-images", options_str(x->options, OPT_node_run),
		m->row.migration);
}

void mig_tree_dir(const struct executor *x, const struct mig *m, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/.drover/%s", options_str(x->options, OPT_worker_storage),
		m->row.migration);
}

/* --- the bus side --- */

int exec_tell(struct executor *x, struct wire_out *out, const void *body, int fd, struct err *err)
{
	struct iovec parts[] = {{out, sizeof(*out)}, {(void *)body, out->body_len}};
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr h = {.msg_iov = parts, .msg_iovlen = body ? 2 : 1};

	out->magic = WIRE_MAGIC;
	if (sizeof(*out) + out->body_len > WIRE_OUT_MAX)
		return fail(err, ERR_invalid, "message of %u bytes for the bus side",
			    out->body_len);
	if (fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(x->bus, &h, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return fail_errno(err, ERR_unreachable, "bus side");
	return 0;
}

void exec_progress(struct executor *x, struct mig *m, const struct wire_sent *sent)
{
	struct msg_progress p = {.migration = m->row.migration,
				 .step = m->ask.step,
				 .attempt = m->ask.attempt,
				 .phase = sent->phase,
				 .done_bytes = sent->done_bytes,
				 .total_bytes = sent->total_bytes,
				 .bytes_s = sent->bytes_s,
				 .sent_bytes = sent->sent_bytes,
				 .round = sent->rounds};
	struct wire_out out = {.kind = WIRE_MESSAGE, .type = MSG_TYPE_progress};
	auto_free void *body = NULL;
	struct err err;
	size_t len;

	if (m->row.state == HANDOVER_held)
		p.frozen_us = clock_mono_us() - m->gate_closed_us;
	str_copy(out.request, sizeof(out.request), m->ask.request);
	if (msg_encode_body(MSG_TYPE_progress, &p, &body, &len, &err))
		return;
	out.body_len = (uint32_t)len;
	exec_tell(x, &out, body, -1, &err);
}

static void on_passed(struct mig *m, const struct wire_sent *sent)
{
	struct msg_figures *f = &m->figures;

	m->passing = false;
	memcpy(m->digest, sent->digest, sizeof(m->digest));
	m->has_digest = true;
	f->image_bytes = sent->image_bytes; /* the sender counts from its first pass on */
	f->tree_bytes = sent->tree_bytes;
	f->sent_bytes = sent->sent_bytes;
	f->pages = sent->pages;
	f->zero_pages = sent->zero_pages;
	f->known_pages = sent->known_pages;
	if (sent->rounds) { /* the last pass has none */
		f->rounds = sent->rounds;
		f->round_bytes = sent->round_bytes;
		f->dirty_bytes_s = sent->dirty_bytes_s;
	}
	f->bytes_s = sent->bytes_s;
}

static void on_sent(struct executor *x, struct wire_sent *sent)
{
	struct mig *m;
	struct err err;

	sent->migration[ULID_LEN] = sent->error[sizeof(sent->error) - 1] = '\0';
	sent->phase[sizeof(sent->phase) - 1] = '\0';
	m = mig_find(x, sent->migration);
	if (!m || m->row.side != SIDE_source)
		return;
	if (sent->what == WIRE_SEND_PROGRESS) {
		exec_progress(x, m, sent);
		return;
	}
	if (sent->what == WIRE_SEND_FAILED || sent->code) {
		fail(&err, (enum err_code)(sent->code ? sent->code : ERR_io), "%s", sent->error);
		if (err.code == ERR_nospace) {
			err_wrap(&err, "staging on %s is full", m->row.peer);
			err_fix(&err, "free space in its node.run and worker.storage, or choose "
				      "another target");
		}
		m->sender_open = m->passing = false;
		if (mig_act(m) == ACT_sync || mig_act(m) == ACT_send || mig_act(m) == ACT_dump ||
		    (mig_act(m) == ACT_freeze && m->row.cold))
			mig_fail(x, m, &err);
		return;
	}
	if (sent->what != WIRE_PASSED || !m->passing)
		return;
	on_passed(m, sent);
	if (mig_act(m) == ACT_sync || mig_act(m) == ACT_send)
		mig_event(x, m);
}

/* The target's own word, by the direct path. */
static void on_told(struct executor *x, struct wire_told *in)
{
	struct told *told = &in->told;

	if (told->proof_len > sizeof(told->proof))
		return;
	told->migration[ULID_LEN] = told->state[sizeof(told->state) - 1] = '\0';
	recover_told(x, told);
}

static void on_pace(struct executor *x, const struct wire_pace *pace)
{
	uint64_t now_ms = clock_mono_ms();

	x->interval_ms = pace->interval_ms < 100 ? 100 : pace->interval_ms;
	if (x->next_beat_ms > now_ms + x->interval_ms)
		x->next_beat_ms = now_ms + x->interval_ms;
}

/* Lists of what the container uses: nothing in them can lead out of them. */
static void end_texts(struct wire_ask *ask)
{
	struct wire_uses *uses = &ask->uses;
	struct {
		void *v;
		uint32_t *n;
		size_t max, size, text; /* the text is the first member, of this size */
	} lists[] = {
		{uses->mounts, &uses->n_mounts, WIRE_MOUNTS, sizeof(uses->mounts[0]), WIRE_PATH},
		{uses->devices, &uses->n_devices, WIRE_DEVICES, sizeof(uses->devices[0]),
		 sizeof(uses->devices[0].path)},
		{uses->security, &uses->n_security, WIRE_DEVICES, sizeof(uses->security[0]),
		 sizeof(uses->security[0])},
		{uses->listening, &uses->n_listening, WIRE_LISTENING, sizeof(uses->listening[0]),
		 sizeof(uses->listening[0])},
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		if (*lists[i].n > lists[i].max)
			*lists[i].n = (uint32_t)lists[i].max;
		for (size_t k = 0; k < lists[i].max; k++)
			((char *)lists[i].v)[k * lists[i].size + lists[i].text - 1] = '\0';
	}
	for (size_t i = 0; i < WIRE_MOUNTS; i++) {
		uses->mounts[i].kind[sizeof(uses->mounts[i].kind) - 1] = '\0';
		uses->mounts[i].rdev[sizeof(uses->mounts[i].rdev) - 1] = '\0';
		uses->devices[i].kind[sizeof(uses->devices[i].kind) - 1] = '\0';
	}
	for (size_t i = 0; i < WIRE_SKIPS; i++)
		ask->skip[i][sizeof(ask->skip[i]) - 1] = '\0';
	uses->image[sizeof(uses->image) - 1] = '\0';
}

/* False when the bus side has closed its end. */
static bool on_bus(struct executor *x)
{
	static union {
		struct wire_in_head head;
		struct wire_ask ask;
		struct wire_sent sent;
		struct wire_told told;
		struct wire_pace pace;
	} in;
	ssize_t n = recv(x->bus, &in, sizeof(in), MSG_DONTWAIT);

	if (n == 0)
		return false;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (in.head.magic != WIRE_MAGIC)
		return true;
	if (in.head.kind == WIRE_SENT && n == sizeof(in.sent)) {
		on_sent(x, &in.sent);
	} else if (in.head.kind == WIRE_TOLD && n == sizeof(in.told)) {
		on_told(x, &in.told);
	} else if (in.head.kind == WIRE_PACE && n == sizeof(in.pace)) {
		on_pace(x, &in.pace);
	} else if (in.head.kind == WIRE_ASK && n == sizeof(in.ask)) {
		char *texts[] = {in.ask.migration, in.ask.request,
				 in.ask.container, in.ask.source,
				 in.ask.target,    in.ask.runtime,
				 in.ask.bundle,    in.ask.peer_address,
				 in.ask.reason,    in.ask.operator, in.ask.group,
				 in.ask.event,     in.ask.outcome};
		size_t sizes[] = {ULID_SIZE, ULID_SIZE, NAME_SIZE, NAME_SIZE, NAME_SIZE,
				  32,        WIRE_PATH, 64,        256,       NAME_SIZE,
				  ULID_SIZE, 16,        16};

		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			texts[i][sizes[i] - 1] = '\0';
		end_texts(&in.ask);
		if (in.ask.step == STEP_log)
			logs_ask(x, &in.ask);
		else if (in.ask.step == STEP_hook)
			drain_hooks_ask(x, &in.ask);
		else if (in.ask.step < STEP_COUNT && in.ask.proof_len <= sizeof(in.ask.proof) &&
			 in.ask.cpuinfo_len <= sizeof(in.ask.cpuinfo) &&
			 in.ask.ticket_len <= sizeof(in.ask.ticket))
			mig_ask(x, &in.ask);
	}
	return true;
}

/* --- deadlines --- */

static bool quiet(const struct executor *x)
{
	for (struct mig *m = x->migs; m; m = m->next)
		if (m->plan || m->row.state == HANDOVER_held || m->row.state == HANDOVER_prepared)
			return false;
	return true;
}

static void on_timers(struct executor *x, uint64_t now_ms)
{
	recover_waits(x, now_ms);
	if (now_ms >= x->next_beat_ms) {
		facts_beat(x, now_ms);
		x->next_beat_ms = now_ms + x->interval_ms;
		if (quiet(x))
			dirty_turn(x->dirty, now_ms);
	}
	if (now_ms >= x->next_caps_ms && quiet(x))
		facts_caps(x, now_ms);
}

static int next_timeout(const struct executor *x, uint64_t now_ms)
{
	uint64_t at = x->next_beat_ms;

	if (x->next_caps_ms < at && quiet(x))
		at = x->next_caps_ms;
	if (drain_hooks_deadline_ms(x) < at)
		at = drain_hooks_deadline_ms(x);

	for (struct mig *m = x->migs; m; m = m->next) {
		uint64_t child = m->child ? run_deadline_ms(m->child) : UINT64_MAX;
		uint64_t restore = m->restore ? run_deadline_ms(m->restore) : UINT64_MAX;

		at = child < at ? child : at;
		at = restore < at ? restore : at;
		if (m->act_deadline_ms && m->act_deadline_ms < at)
			at = m->act_deadline_ms;
		if (m->row.state == HANDOVER_held && now_ms + 250 < at)
			at = now_ms + 250; /* CLOCK_BOOTTIME may jump over a suspend */
	}
	return at <= now_ms ? 0 : (int)(at - now_ms);
}

/* --- the loop --- */

static size_t add_fd(struct pollfd *fds, struct mig **owners, size_t n, int fd, struct mig *m)
{
	if (fd < 0 || n == POLL_MAX)
		return n;
	fds[n] = (struct pollfd){.fd = fd, .events = POLLIN};
	owners[n] = m;
	return n + 1;
}

static bool known(const struct executor *x, const struct mig *wanted)
{
	const struct mig *m = x->migs;

	while (m && m != wanted)
		m = m->next;
	return m != NULL;
}

/* Restored, and blocked in the hook until the grant comes. */
static bool is_armed(const struct mig *m)
{
	return m->row.state == HANDOVER_prepared && !m->plan;
}

static size_t gather(struct executor *x, struct pollfd *fds, struct mig **owners, int signals)
{
	size_t n = add_fd(fds, owners, 0, x->bus, NULL);

	n = add_fd(fds, owners, n, signals, NULL);
	n = add_fd(fds, owners, n, x->watch, NULL);
	n = add_fd(fds, owners, n, trash_fd(x->trash), NULL);
	for (size_t i = 0; i < DRAIN_HOOKS; i++)
		n = add_fd(fds, owners, n, drain_hooks_fd(x, i), NULL);
	for (struct mig *m = x->migs; m; m = m->next) {
		enum handover_act act = mig_act(m);

		if (m->child)
			n = add_fd(fds, owners, n, run_fd(m->child), m);
		n = add_fd(fds, owners, n, m->init, m);
		if (act != ACT_arm && act != ACT_go && !is_armed(m))
			continue;
		if (m->restore)
			n = add_fd(fds, owners, n, run_fd(m->restore), m);
		n = add_fd(fds, owners, n, is_armed(m) ? m->hook : m->hook_listen, m);
	}
	return n;
}

/* What is armed and dies is refused before anybody counts on it: after RUNNING it would be LOST. */
static void on_event(struct executor *x, struct mig *m)
{
	if (!is_armed(m)) {
		mig_event(x, m);
		return;
	}
	if (target_holds(x, m))
		return;
	log_warn("the armed container has died\tmigration=%s container=%s node=%s",
		 m->row.migration, m->row.container, x->self);
	mig_begin(x, m, handover_refuse_plan(), true);
}

static void take_signals(struct executor *x, int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload_options(x);
		else
			x->stopping = true;
	}
}

static void loop(struct executor *x, int signals)
{
	static struct pollfd fds[POLL_MAX];
	static struct mig *owners[POLL_MAX];

	while (!x->stopping) {
		uint64_t now_ms = clock_mono_ms();
		size_t n = gather(x, fds, owners, signals);

		if (poll(fds, n, next_timeout(x, now_ms)) < 0 && errno != EINTR)
			break;
		for (struct mig *m = x->migs, *next; m; m = next) {
			next = m->next;
			if (m->child && run_deadline_ms(m->child) <= clock_mono_ms())
				mig_event(x, m);
			else if (m->restore && run_deadline_ms(m->restore) <= clock_mono_ms())
				mig_event(x, m);
			else if (m->act_deadline_ms && m->act_deadline_ms <= clock_mono_ms())
				mig_event(x, m);
		}
		for (size_t i = 2; i < n; i++)
			if (fds[i].revents && owners[i] && known(x, owners[i]))
				on_event(x, owners[i]);
		if (fds[1].revents)
			take_signals(x, signals);
		if (n > 2 && fds[2].fd == x->watch && fds[2].revents)
			facts_watched(x, clock_mono_ms());
		if (fds[0].revents && !on_bus(x)) {
			log_err("the bus side is gone, stopping");
			return;
		}
		trash_turn(x->trash, clock_mono_ms());
		drain_hooks_turn(x);
		on_timers(x, clock_mono_ms());
	}
}

/* --- start --- */

/* A target that died between its record and its word to the hook has killed the restored tasks:
 * nobody runs, and only a person may go back to the source's frozen copy. The runtime may still be
 * at the end of a restore that was let go, or of one that is being killed, so it gets a moment. */
static bool runs(struct executor *x, const struct mig *m)
{
	const struct runtime_driver *driver = runtime_find(m->row.runtime);
	struct runtime_container found;
	int seen = 0;

	(void)x;
	for (int i = 0; driver && i < 10; i++) {
		if (!runtime_state_sync(driver, NULL, m->row.container, &found, NULL) &&
		    (str_eq(found.status, "running") || str_eq(found.status, "paused")) &&
		    !task_is_parked(found.pid))
			seen++;
		else
			seen = 0;
		if (seen == 3)
			return true;
		poll(NULL, 0, 200);
	}
	return false;
}

static int prepare(struct executor *x, struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", x->libexec_worker, sizeof(x->libexec_worker) - 1);

	if (n <= 0)
		return fail_errno(err, ERR_io, "/proc/self/exe");
	file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", x->boot_id, sizeof(x->boot_id));
	return dirs_user(x->options, &x->uid, &x->gid, err);
}

static uint64_t pending_until(const struct mig *m)
{
	uint64_t child = m->child ? run_deadline_ms(m->child) : UINT64_MAX;

	return m->act_deadline_ms && m->act_deadline_ms < child ? m->act_deadline_ms : child;
}

/* A container that was told to stop is started again before this worker ends: its next one may
 * come late. */
static void end_undoing(struct executor *x)
{
	uint64_t until = clock_mono_ms() + UNDO_LIMIT_MS, now_ms;
	struct mig *m = x->migs;

	while (m && (now_ms = clock_mono_ms()) < until) {
		struct pollfd p = {.fd = m->child ? run_fd(m->child) : m->init, .events = POLLIN};
		uint64_t at = pending_until(m) < until ? pending_until(m) : until;

		if (!m->row.cold || m->row.side != SIDE_source || !m->plan || p.fd < 0) {
			m = m->next;
			continue;
		}
		poll(&p, 1, at > now_ms ? (int)(at - now_ms) : 0);
		mig_event(x, m);
	}
}

int executor_main(int bus_fd, struct options *options, const struct options_loader *loader,
		  const char *instance)
{
	static struct executor executor; /* what it holds ends with the process */
	struct executor *x = &executor;
	char path[PATH_MAX];
	struct err err;
	sigset_t mask;
	int signals;

	x->options = x->reloaded = options;
	x->loader = loader;
	x->bus = bus_fd;
	x->dirty = dirty_new();
	str_copy(x->self, sizeof(x->self), options_str(options, OPT_node_id));
	str_copy(x->instance, sizeof(x->instance), instance);
	x->interval_ms = options_u64(options, OPT_coordinator_interval);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	str_fmt(path, sizeof(path), "%s/executor.journal", options_str(options, OPT_node_state));
	if (prepare(x, &err) ||
	    prover_new(options_str(options, OPT_node_key), options_str(options, OPT_node_roster),
		       x->self, &x->prover, &err) ||
	    journal_open(path, recover_row, x, &x->journal, &err)) {
		log_error(LOG_LEVEL_ERR, "", &err);
		return err_exit_code(err.code);
	}
	logs_start(x);
	x->trash = trash_new(options, x->libexec_worker);
	orphans_end(x);
	facts_start(x);
	recover_all(x, runs);
	loop(x, signals);
	if (x->stopping)
		facts_bye(x, "told to stop");
	recover_stop(x);
	end_undoing(x);
	lookout_free(&x->lookout);
	journal_close(&x->journal);
	dirty_free(&x->dirty);
	trash_free(&x->trash);
	prover_free(&x->prover);
	return x->stopping ? 0 : -1;
}
