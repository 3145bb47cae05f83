/* SPDX-License-Identifier: MPL-2.0
 *
 * What this host can do and how busy it is. Three groups by cost: beat facts (/proc only, each
 * heartbeat), host facts that files tell (at start and on change), and CRIU's own answers
 * (children, rarely, through a probe that never blocks the loop). */
#ifndef DROVER_RUNTIME_HOSTFACTS_H
#define DROVER_RUNTIME_HOSTFACTS_H

#include "base/err.h"
#include "base/str.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- each heartbeat ---- */

/* Counters of one moment; rates come from two of them. */
struct beat_sample {
	uint64_t at_ms;       /* CLOCK_MONOTONIC, 0 = no sample yet */
	uint64_t busy, total; /* jiffies, /proc/stat */
	uint64_t net_bytes;   /* received and sent by physical interfaces */
};

struct beat_facts {
	double load1;
	unsigned cpus;
	unsigned cpu_permille;           /* of the whole host since the previous sample */
	double psi_cpu, psi_mem, psi_io; /* some avg10 in percent, 0 where the kernel has no PSI */
	uint64_t mem_total_bytes;
	uint64_t mem_available_bytes;
	uint64_t net_bytes_s;
};

/* Fills what can be read; *sample is the previous one and becomes this one. */
void beat_facts_read(uint64_t now_ms, struct beat_sample *sample, struct beat_facts *ret);

/* MemTotal and MemAvailable; 0 where they cannot be read. */
void memory_facts(uint64_t *ret_total, uint64_t *ret_available);

/* Total and available bytes of the filesystem that holds path, or of its nearest parent that
 * exists. */
int disk_facts(const char *path, uint64_t *ret_total, uint64_t *ret_free, struct err *err);

/* ---- at start and on change ---- */

#define HOST_FLAGS_SIZE 8192

struct host_facts {
	char kernel[128]; /* uname release */
	char arch[16];
	char boot_id[37];
	char cpu_model[128];
	char cpu_flags[HOST_FLAGS_SIZE]; /* blank separated, as /proc/cpuinfo has them */
	uint64_t xsave_bytes; /* CPUID leaf 0xd: size of the enabled XSAVE area, 0 = none */
	unsigned cpus;
	uint64_t mem_total_bytes;
	char thp[16]; /* always madvise never */
	bool soft_dirty;
	bool pagemap_scan;
	bool userfaultfd;
	bool psi; /* /proc/pressure is there */
	int cgroup_version;
	char cgroup_controllers[256]; /* comma separated */
	char lsm[128];
};

/* Fields that cannot be read stay empty. */
void host_facts_read(struct host_facts *ret);

/* "always [madvise] never" → "madvise": the chosen word of a sysfs line; pure. */
bool host_parse_bracketed(const char *line, char *ret, size_t size);

/* ---- CRIU, with children ---- */

#define CRIU_CPUINFO_MAX 65536

/* X(name): what `criu check --feature NAME` is asked. */
/* clang-format off */
#define CRIU_FEATURE_TABLE(X) \
	X("mem_dirty_track") X("pagemap_scan") X("uffd") X("uffd-noncoop") X("tcp_half_closed") \
	X("timerfd") X("tun") X("userns") X("cgroupns") X("seccomp_filters") X("seccomp_suspend") \
	X("loginuid") X("clone3_set_tid") X("network_lock_nftables") X("get_rseq_conf") X("openat2") \
	X("ipv6_freebind") X("move_mount_set_group") X("overlayfs_maps")
/* clang-format on */

#define CRIU_FEATURES_MAX 32

struct criu_facts {
	char path[PATH_MAX];
	unsigned version; /* major × 10000 + minor × 100 + sub; 0 = not installed or not working */
	char problem[500]; /* why version is 0, or what `criu check` said; empty = good */
	bool check_ok;
	const char *features[CRIU_FEATURES_MAX]; /* those present, from the table; static texts */
	size_t n_features;
	uint8_t *cpuinfo; /* image of `criu cpuinfo dump`, heap; NULL when it failed */
	size_t cpuinfo_len;
};

void criu_facts_done(struct criu_facts *facts);

/* A probe asks CRIU everything, one child after another. work_dir must exist and be private (0700):
 * CRIU writes its logs and the cpuinfo image there. */
struct criu_probe;
int criu_probe_start(const char *criu, const char *work_dir, uint64_t now_ms,
		     struct criu_probe **ret, struct err *err);
/* Descriptor and deadline as in run.h; both change with each child: ask after every step. */
int criu_probe_fd(const struct criu_probe *probe);
uint64_t criu_probe_deadline_ms(const struct criu_probe *probe);
/* 0 = goes on, 1 = over; then take the facts. */
int criu_probe_step(struct criu_probe *probe, uint64_t now_ms);
/* Gives the facts away (criu_facts_done ends them). */
void criu_probe_take(struct criu_probe *probe, struct criu_facts *ret);
void criu_probe_free(struct criu_probe **probe);

int criu_facts_sync(const char *criu, const char *work_dir, struct criu_facts *ret,
		    struct err *err);

/* Tests another host's cpuinfo image against this host's CPU (`criu cpuinfo check`), which must be
 * done on the target: 0 = it fits, -ERR_refused with CRIU's words when it does not. Waits about
 * 20 ms. */
int criu_cpuinfo_check(const char *criu, const char *work_dir, const uint8_t *image, size_t len,
		       struct err *err);

/* `criu --version` output → number, 0 when it is none; pure. */
unsigned criu_parse_version(const char *out);

#endif
