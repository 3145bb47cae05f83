/* SPDX-License-Identifier: MPL-2.0
 *
 * Facts that files and the CPU itself tell. What cannot be read stays empty: a host that hides a
 * file still beats. */
#include "runtime/hostfacts.h"

#include "base/file.h"
#include "base/mem.h"
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define TEXT_MAX_ (1u << 20)
#define PAGEMAP_SOFT_DIRTY (1ull << 55) /* Documentation/admin-guide/mm/pagemap.rst */

/* PAGEMAP_SCAN of Linux 6.7; Debian 12's headers are older. */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

bool host_parse_bracketed(const char *line, char *ret, size_t size)
{
	const char *open = strchr(line, '['), *close = open ? strchr(open, ']') : NULL;

	*ret = 0;
	return close && str_fmt(ret, size, "%.*s", (int)(close - open - 1), open + 1);
}

/* Text after "key<tabs>: " of the first such line of /proc/cpuinfo. */
static void cpuinfo_value(const char *text, const char *key, char *ret, size_t size)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		const char *v;

		if (strncmp(p, key, n) != 0 || (p[n] != '\t' && p[n] != ' ' && p[n] != ':'))
			continue;
		v = p + strcspn(p, ":\n");
		if (*v != ':')
			continue;
		v += v[1] == ' ' ? 2 : 1;
		str_fmt(ret, size, "%.*s", (int)strcspn(v, "\n"), v);
		return;
	}
}

static void read_cpu(struct host_facts *ret)
{
	auto_free char *text = NULL;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	ret->cpus = cpus > 0 ? (unsigned)cpus : 1;
#if defined(__x86_64__) || defined(__i386__)
	unsigned a, b, c, d;

	if (__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
		ret->xsave_bytes = b;
#endif
	if (file_read("/proc/cpuinfo", 64 * TEXT_MAX_, &text, NULL, NULL) < 0)
		return;
	cpuinfo_value(text, "model name", ret->cpu_model, sizeof(ret->cpu_model));
	cpuinfo_value(text, "flags", ret->cpu_flags, sizeof(ret->cpu_flags));
	if (!ret->cpu_flags[0])
		cpuinfo_value(text, "Features", ret->cpu_flags, sizeof(ret->cpu_flags));
}

/* Whether the kernel marks written pages: asks it about a page of our own. */
static void read_tracking(struct host_facts *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	auto_close int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char *p =
		mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct scan_arg scan = {.size = sizeof(scan)};
	uint64_t before = 0, after = 0;
	off_t at;

	if (p == MAP_FAILED)
		return;
	p[0] = 1;
	at = (off_t)((uintptr_t)p / page * sizeof(uint64_t));
	if (map >= 0 && file_poke(AT_FDCWD, "/proc/self/clear_refs", "4") == 0 &&
	    pread(map, &before, sizeof(before), at) == sizeof(before)) {
		p[0] = 2;
		if (pread(map, &after, sizeof(after), at) == sizeof(after))
			ret->soft_dirty =
				!(before & PAGEMAP_SOFT_DIRTY) && (after & PAGEMAP_SOFT_DIRTY);
	}
	scan.start = (uintptr_t)p;
	scan.end = scan.start + page;
	ret->pagemap_scan = map >= 0 && (ioctl(map, SCAN_IOCTL, &scan) >= 0 || errno != ENOTTY);
	munmap((void *)(uintptr_t)p, page);
}

static uint64_t meminfo(const char *text, const char *key)
{
	const char *p = text ? strstr(text, key) : NULL;
	unsigned long long kib = 0;

	if (p)
		sscanf(p + strlen(key), " %llu", &kib);
	return kib * 1024;
}

void host_facts_read(struct host_facts *ret)
{
	auto_free char *memory = NULL;
	struct utsname u;
	char line[256];
	int fd;

	memset(ret, 0, sizeof(*ret));
	if (uname(&u) == 0) {
		str_copy(ret->kernel, sizeof(ret->kernel), u.release);
		str_copy(ret->arch, sizeof(ret->arch), u.machine);
	}
	file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret->boot_id,
		       sizeof(ret->boot_id));
	read_cpu(ret);
	read_tracking(ret);
	if (file_read("/proc/meminfo", TEXT_MAX_, &memory, NULL, NULL) == 0)
		ret->mem_total_bytes = meminfo(memory, "MemTotal:");
	if (file_read_line(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/enabled", line,
			   sizeof(line)) > 0)
		host_parse_bracketed(line, ret->thp, sizeof(ret->thp));
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	ret->userfaultfd = fd >= 0;
	if (fd >= 0)
		close(fd);
	ret->cgroup_version =
		cgroup_host_version(ret->cgroup_controllers, sizeof(ret->cgroup_controllers));
	ret->psi = access("/proc/pressure/memory", R_OK) == 0;
	file_read_line(AT_FDCWD, "/sys/kernel/security/lsm", ret->lsm, sizeof(ret->lsm));
}

static double pressure(const char *resource)
{
	char path[64], line[256];
	double avg10 = 0;

	str_fmt(path, sizeof(path), "/proc/pressure/%s", resource);
	if (file_read_line(AT_FDCWD, path, line, sizeof(line)) > 0)
		sscanf(line, "some avg10=%lf", &avg10);
	return avg10;
}

/* First line of /proc/stat: user nice system idle iowait irq softirq steal (guest is in user). */
static void read_busy(struct beat_sample *s)
{
	unsigned long long v[8] = {0};
	char line[512];

	if (file_read_line(AT_FDCWD, "/proc/stat", line, sizeof(line)) <= 0 ||
	    sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
		   &v[4], &v[5], &v[6], &v[7]) < 4)
		return;
	s->busy = s->total = 0;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		s->total += v[i];
		if (i != 3 && i != 4)
			s->busy += v[i];
	}
}

/* Interfaces that lead out of the host: those with a device, and by name where there is no sysfs of
 * this network namespace. */
static bool is_uplink(const char *ifname)
{
	char path[128];

	str_fmt(path, sizeof(path), "/sys/class/net/%.32s/device", ifname);
	return access(path, F_OK) == 0 || str_starts(ifname, "eth") || str_starts(ifname, "en");
}

static uint64_t net_bytes(void)
{
	auto_free char *text = NULL;
	char *save = NULL;
	uint64_t sum = 0;

	if (file_read("/proc/net/dev", TEXT_MAX_, &text, NULL, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long in, out;
		char name[32];

		if (sscanf(line, " %31[^: ]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &in,
			   &out) == 3 &&
		    is_uplink(name))
			sum += in + out;
	}
	return sum;
}

void memory_facts(uint64_t *ret_total, uint64_t *ret_available)
{
	auto_free char *memory = NULL;

	*ret_total = *ret_available = 0;
	if (file_read("/proc/meminfo", TEXT_MAX_, &memory, NULL, NULL) < 0)
		return;
	*ret_total = meminfo(memory, "MemTotal:");
	*ret_available = meminfo(memory, "MemAvailable:");
}

void beat_facts_read(uint64_t now_ms, struct beat_sample *sample, struct beat_facts *ret)
{
	struct beat_sample prev = *sample;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char line[128];

	memset(ret, 0, sizeof(*ret));
	if (file_read_line(AT_FDCWD, "/proc/loadavg", line, sizeof(line)) > 0)
		sscanf(line, "%lf", &ret->load1);
	ret->cpus = cpus > 0 ? (unsigned)cpus : 1;
	ret->psi_cpu = pressure("cpu");
	ret->psi_mem = pressure("memory");
	ret->psi_io = pressure("io");
	memory_facts(&ret->mem_total_bytes, &ret->mem_available_bytes);
	read_busy(sample);
	sample->net_bytes = net_bytes();
	sample->at_ms = now_ms;
	if (!prev.at_ms || now_ms <= prev.at_ms)
		return;
	if (sample->total > prev.total && sample->busy >= prev.busy)
		ret->cpu_permille = (unsigned)((sample->busy - prev.busy) * 1000 /
					       (sample->total - prev.total));
	if (sample->net_bytes >= prev.net_bytes)
		ret->net_bytes_s =
			(sample->net_bytes - prev.net_bytes) * 1000 / (now_ms - prev.at_ms);
}

int disk_facts(const char *path, uint64_t *ret_total, uint64_t *ret_free, struct err *err)
{
	struct statvfs fs;
	char dir[PATH_MAX];
	char *slash;

	if (!path_ok(path) || !str_copy(dir, sizeof(dir), path))
		return fail(err, ERR_invalid, "not a path: %.100s", path);
	while (statvfs(dir, &fs) < 0) {
		if (errno != ENOENT || !(slash = strrchr(dir, '/')))
			return fail_errno(err, ERR_io, "space of %s", path);
		slash[slash == dir] = 0;
		if (slash == dir && statvfs("/", &fs) < 0)
			return fail_errno(err, ERR_io, "space of %s", path);
	}
	*ret_total = (uint64_t)fs.f_blocks * fs.f_frsize;
	*ret_free = (uint64_t)fs.f_bavail * fs.f_frsize;
	return 0;
}
