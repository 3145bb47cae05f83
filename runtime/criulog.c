/* SPDX-License-Identifier: MPL-2.0
 *
 * The patterns of CRIU's messages (criu 3.19 to 4.2, its source and issue threads; compel and soccr
 * for what comes from its libraries) and the search through a log. */
#include "runtime/criulog.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define CAPTURES 4
#define CAPTURE_MAX 96

/* How much a line tells. A restore that fails kills what it had begun, so an effect is all that is
 * left of many a cause. */
enum tells {
	TELLS_cause,
	TELLS_errno,  /* only the kernel's word for it */
	TELLS_effect, /* what came of a cause */
	TELLS_nothing /* it is printed in good runs too */
};

struct pattern {
	enum criulog_phase phase;
	enum tells tells;
	const char *text;
	enum code_id code;
	const char *why; /* $1…: what the stars stood for; $V criu's version; $K the kernel's */
};

/* The first row that fits a message counts: special ones before general ones. */
/* clang-format off */
#define C(phase, text, cause, why) {CRIULOG_##phase, TELLS_cause, text, CODE_criu_##cause, why}
#define E(phase, text, cause, why) {CRIULOG_##phase, TELLS_effect, text, CODE_criu_##cause, why}
#define N(phase, text, cause, why) {CRIULOG_##phase, TELLS_errno, text, CODE_criu_##cause, why}
#define H(text) {CRIULOG_any, TELLS_nothing, text, CODE_criu_unknown, ""}

static const struct pattern patterns[] = {
	H("RLIMIT_NOFILE"),
	H("Unable to get socket network namespace"),
	H("Can't remove the directory * No such file"),
	/* sockets */
	C(dump,    "Can't get *:* opt", sockopt, "criu $V cannot read socket option $1:$2 on kernel $K"),
	C(dump,    "Unsupported proto * for socket *", mptcp, "socket $2 speaks protocol $1, which criu $V cannot dump"),
	C(dump,    "Connected TCP socket, consider", tcp, "a TCP connection is open, and tcp-established was turned off"),
	C(restore, "Connected TCP socket in image", tcp, "a TCP connection is in the image, and tcp-established was turned off"),
	C(restore, "Need to set the --tcp-close options", tcp, "the image was made with tcp-close, the restore was not asked for it"),
	C(dump,    "In-flight connection (l) for *", tcpflight, "listening socket $1 has a connection that nobody has accepted"),
	C(dump,    "In-flight connection on *", unixflight, "a unix connection is being made on $1"),
	C(dump,    "Non-empty write queue on an in-flight socket *", unixflight, "a unix connection is being made on socket $1, with data in its queue"),
	C(dump,    "Found a closed in-flight socket to *", unixflight, "a unix connection to $1 was closed before it was accepted"),
	C(dump,    "Can't dump corked dgram socket *", cork, "datagram socket $1 is corked"),
	C(dump,    "Can't dump * inet socket *. Only", socket, "inet socket $2 is of type $1, which criu $V cannot dump"),
	C(dump,    "Unknown inet socket * state *", socket, "inet socket $1 is in state $2, which criu $V does not know"),
	C(dump,    "Unsupported type (*) on socket *", socket, "unix socket $2 is of type $1, which criu $V cannot dump"),
	C(dump,    "Unknown state * for unix socket *", socket, "unix socket $2 is in state $1, which criu $V does not know"),
	C(dump,    "Unknown socket collected (family *)", socket, "a socket of address family $1, which criu $V cannot dump"),
	C(dump,    "Unsupported socket family: *", socket, "a socket of address family $1, which criu $V cannot dump"),
	C(dump,    "External socket is used", extunix, "a unix socket is connected to a process outside the container"),
	C(dump,    "Can't dump half of stream unix connection. name: *; peer name: *", extunix, "a unix connection leads out of the container (name $1, peer $2)"),
	C(dump,    "Can't dump half of stream unix connection", extunix, "a unix connection leads out of the container"),
	C(dump,    "Can't dump name-less external socket", extunix, "a datagram socket without a name is connected to one outside the container"),
	C(restore, "External socket found in image", extunix, "the image has a unix socket that led out of the container"),
	C(any,     "Unix socket * with unreachable peer *", unixpeer, "unix socket $1 has the peer $2, which is out of reach"),
	C(any,     "Unix socket * without peer *", unixpeer, "unix socket $1 has the peer $2, which is not there"),
	C(any,     "Peer * unresolved for *", unixpeer, "unix socket $2 has the peer $1, which is not there"),
	C(dump,    "Dangling connection *", unixpeer, "unix socket $1 has no other end"),
	C(any,     "Control messages in queue, not supported", scm, "a control message waits in a socket's queue"),
	C(dump,    "The socket has data to read", netlink, "a netlink socket has unread messages"),
	C(dump,    "netlink socket * has more than 32 groups", netlink, "netlink socket $1 has joined more than 32 groups"),
	C(dump,    "netlink socket * is bound to groups but not to portid", netlink, "netlink socket $1 listens to groups without an id of its own"),
	C(dump,    "Multiple MC membership not supported", packet, "a packet socket has several multicast memberships"),
	C(any,     "Unable to dump a socket from an external network namespace", netns, "a socket belongs to a network namespace outside the container"),
	C(restore, "Unable to find an external netns: *", netns, "the network namespace $1 is not there on the target"),
	C(dump,    "Unsupported link * (type * kind *)", netdev, "network device $1 is of kind $3, which criu $V cannot dump"),
	C(restore, "Can't restore link: *", netdev, "a network device cannot be made: error $1"),
	C(restore, "Unsupported link type *", netdev, "a network device of type $1, which criu $V cannot make"),
	C(any,     "Diag module missing", diag, "the kernel has no socket diagnosis module loaded"),
	C(any,     "Can't turn TCP repair mode ON: *", repair, "a TCP connection cannot be put into repair mode: $1"),
	C(any,     "libsoccr_save() failed with *", repair, "a TCP connection's state cannot be read: error $1"),
	C(any,     "Failed to lock TCP connection *", repair, "TCP connection $1 cannot be locked"),
	C(restore, "Can't bind inet socket*: Address already in use", port, "a port of the container is in use on the target"),
	C(restore, "Can't bind inet socket*: Cannot assign requested address", addr, "an address of the container is not there on the target"),
	C(restore, "Can't bind inet socket*: *", port, "a socket cannot be bound on the target: $2"),
	C(restore, "Can't connect inet socket back: *", addr, "a TCP connection cannot be put back: $1"),
	C(restore, "Can't restore * queue data", repair, "a TCP connection's $1 queue cannot be filled again"),
	C(restore, "couldn't find ifindex for *", iface, "a socket is bound to interface $1, which the target does not have"),
	C(restore, "Can't bind packet socket to *:", iface, "a packet socket is bound to interface $1, which the target does not have"),
	C(restore, "Unable to set socket SO_SNDBUF*: *", sockbuf, "the size of a socket's buffers cannot be set: $2"),
	C(restore, "Can't set *:* (len *): *", sockbuf, "socket option $1:$2 cannot be set on kernel $K: $4"),
	/* files */
	C(dump,    "Can't dump file * of that type [*] (*anon_inode:[io_uring])", iouring, "file descriptor $1 is an io_uring ring"),
	C(dump,    "Unknown * (anon_inode:[io_uring])", iouring, "the ring of an io_uring is mapped"),
	C(dump,    "Can't handle non-regular mapping on *anon_inode:[io_uring]", iouring, "the ring of an io_uring is mapped"),
	/* since Linux 6.7 a ring is not passed over a socket, and criu gets a process's files so */
	C(dump,    "send_fds failed (-22)", iouring, "a process has a file that the kernel does not pass on: an io_uring ring"),
	C(dump,    "send_fds failed (*)", fdtype, "a process's files cannot be passed to criu: error $1"),
	C(dump,    "Can't dump file * of that type [*] (*anon_inode:*)", anonfd, "file descriptor $1 is an anonymous file of kind $4"),
	C(dump,    "Can't dump file * of that type [*] (chr *)", device, "file descriptor $1 is character device $3"),
	C(dump,    "Can't dump file * of that type [20*] (unknown *)", device, "file descriptor $1 is the device $3"),
	C(dump,    "Can't dump file * of that type [60*] (unknown *)", device, "file descriptor $1 is the block device $3"),
	C(dump,    "Can't dump file * of that type [*] (*)", fdtype, "file descriptor $1 (mode $2) is $3, which criu $V cannot dump"),
	C(dump,    "Can't dump file * of that type", fdtype, "file descriptor $1 is of a kind that criu $V cannot dump"),
	C(dump,    "does not currently support dumping BPF map type *", bpf, "a BPF map of type $1 is open"),
	C(any,     "Some file locks are hold by dumping tasks", locks, "it holds file locks, and file-locks was turned off"),
	C(dump,    "Unresolved lock found pid * ino *", locks, "process $1 holds or waits for a lock on inode $2, whose file is not found in the container"),
	C(restore, "Can not set * lock", locks, "a $1 lock is taken on the target"),
	C(restore, "Can not set flock", locks, "a flock is taken on the target"),
	C(any,     "Conflicting lease wasn't found", locks, "a lease is being broken"),
	C(dump,    "Can't dump ghost file * of * size", ghost, "the deleted file $1 is open and has $2 bytes"),
	C(dump,    "Can't create link remap for *. Use", linkremap, "the open file $1 was deleted, but has another name"),
	C(dump,    "Can't link remap to *: *", linkremap, "the open file $1 was deleted, and cannot be given a name for the move: $2"),
	C(dump,    "Can't lookup mount=* for fd=* path=*", fdmount, "file descriptor $2 ($3) lies on a mount outside the container"),
	C(dump,    "Open files on overmounted mounts are not supported yet; mount=* fd=* path=*", overmount, "file descriptor $2 ($3) lies under a later mount"),
	C(dump,    "The path [*] is not supported", path, "an open file has the name $1, which criu $V cannot keep"),
	C(dump,    "Unaccessible path opened *, need *", path, "the name of an open file leads to another file now (inode $1, not $2)"),
	C(restore, "Can't open file * on restore: *", nofile, "$1: $2"),
	C(restore, "Can't open file *: *", nofile, "$1: $2"),
	C(restore, "File * has bad size * (expect *)", filechanged, "$1 has $2 bytes on the target and had $3"),
	C(restore, "File * has bad mode * (expect *)", filechanged, "$1 has mode $2 on the target and had $3"),
	C(restore, "File * has bad build-ID", filechanged, "$1 is of another build on the target"),
	C(restore, "Can't create ghost *", ghostlink, "a deleted but open file cannot be made again: ghost $1"),
	C(restore, "Can't link * -> *: *", ghostlink, "the deleted file $2 cannot be made again: $3"),
	C(dump,    "Can't find suitable path for handle (dev * ino *)", inotify, "a watch is on inode $2 of device $1, whose file is not found"),
	C(dump,    "Can't dump that handle", inotify, "a watch is on a file that is not found"),
	C(dump,    "Unable to lookup a mount by dev *", inotify, "a watch is on device $1, which is not mounted in the container"),
	C(restore, "Can't add watch for *", inotify, "a watch cannot be set again: $1"),
	C(dump,    "The packetized mode for pipes is not supported", pipepacket, "a pipe is in packet mode"),
	C(dump,    "Ring size is not aligned", aio, "an aio ring has a size that criu $V does not know"),
	C(dump,    "Failed to check aio rings (pid: *)", aio, "process $1 has asynchronous I/O under way"),
	C(restore, "Ring setup failed with *", aio, "an aio ring cannot be made: error $1"),
	/* terminals */
	C(dump,    "Found dangling tty with sid * pgid * (*) on peer fd *", tty, "file descriptor $4 is a terminal ($3) whose other end is outside the container"),
	C(dump,    "Found slave peer index * without", tty, "terminal $1 has its other end outside the container"),
	C(dump,    "ctty inheritance detected sid/pgrp *", tty, "the controlling terminal of session $1 comes from outside the container"),
	C(dump,    "Unable to find a tty driver (rdev *", tty, "a terminal of a kind that criu $V does not know: $1"),
	C(restore, "Can't open slave tty *", tty, "the terminal $1 is not there on the target"),
	C(restore, "Don't have tty to inherit session from", tty, "a terminal would have to be inherited, and there is none"),
	C(restore, "No task found with sid *", tty, "a terminal belongs to session $1, which nobody leads"),
	C(dump,    "queued data overflow * bytes limit", ttyqueue, "more than $1 bytes wait in a terminal"),
	C(dump,    "The root process * is not a session leader", session, "process $1 does not lead its session"),
	C(dump,    "A session leader of * is outside of its pid namespace", session, "the session leader of process $1 is outside the container"),
	C(restore, "Can't find a session leader for *", session, "nobody leads session $1"),
	/* mounts */
	C(dump,    "No parent found for mountpoint * (@*)", mntroot, "mount $1 at $2 has a parent that criu does not see"),
	C(dump,    "No root found for tree", mntroot, "criu does not see the root mount"),
	C(dump,    "has unreachable sharing", mntshare, "a mount shares propagation with one outside the container"),
	C(dump,    "* doesn't have a proper root mount", mntext, "mount $1 comes from outside the container"),
	C(any,     "Mount * is autodetected external mount", mntext, "mount $1 comes from outside the container"),
	C(restore, "No mapping for * mountpoint", mntext, "mount $1 comes from outside, and the target's config does not name it"),
	C(dump,    "FS mnt * dev * root * unsupported id *", fs, "the file system at $1 is of a kind that criu $V does not know"),
	C(dump,    "* is a fuse mount but not external", fs, "a FUSE file system is mounted: $1"),
	C(dump,    "Nested mount namespaces are not supported", nestedns, "a process has made a mount namespace of its own"),
	C(dump,    "Can't dump nested time namespace for *", timens, "process $1 has made a time namespace of its own"),
	C(dump,    "Can't dump nested * namespace for *", nestedns, "process $2 has made a $1 namespace of its own"),
	C(any,     "Time namespaces are not supported", timens, "kernel $K has no time namespaces"),
	C(dump,    "One or more namespaces doesn't belong to the target user namespace", userns, "a namespace of the container is owned by another user namespace"),
	C(dump,    "The root task has another root than mntns: *", root, "the first process has the root $1"),
	C(dump,    "with SysVIPC shmem map @* doesn't live in IPC ns", sysv, "System V memory at $1 without an IPC namespace"),
	C(restore, "Unable to mount * *: *", mount, "$1 cannot be mounted at $2: $3"),
	C(restore, "Can't mount at *: *", mount, "nothing can be mounted at $1: $2"),
	C(restore, "Can't bind-mount at *: *", mount, "nothing can be bound to $1: $2"),
	C(restore, "Can't restore ext mount (*)", mount, "a mount from outside cannot be made: error $1"),
	C(restore, "A few mount points can't be mounted", mount, "a mount's parent cannot be made"),
	/* processes */
	C(any,     "Unexpected rt vDSO area bounds", vdso, "criu $V does not know the vDSO of kernel $K"),
	C(any,     "Can't find rt vDSO", vdso, "criu $V does not find the vDSO of kernel $K"),
	C(any,     "VVAR and VVAR_VCLOCK entries are not subsequent", vdso, "criu $V does not know the vDSO of kernel $K"),
	C(any,     "Can't find vDSO/VVAR bounds", vdso, "criu $V does not find the vDSO of kernel $K"),
	C(restore, "vDSO isn't provided by kernel, but exists in images", vdso, "kernel $K has no vDSO and the source's had one"),
	C(dump,    "Unable to freeze cgroup * (", freeze, "cgroup $1 does not freeze"),
	C(dump,    "Unknown freezer state: *", freeze, "the cgroup's freezer is in the unknown state $1"),
	C(dump,    "The criu itself is within dumped tree", inside, "criu is a process of the container that it should dump"),
	C(dump,    "Unseizable non-zombie * found, state *, err *", ptrace, "process $1 (state $2) cannot be traced: error $3"),
	C(any,     "Can't attach to *: *", ptrace, "process $1 cannot be traced: $2"),
	C(dump,    "Zombies with threads are not supported", zombie, "a process is dying and has threads left"),
	C(dump,    "Zombie thread not supported", zombie, "a thread is dying"),
	C(dump,    "Individually stopped threads not supported", stopped, "a single thread of a process is stopped"),
	C(dump,    "A root task is dead", dead, "the container's first process has ended"),
	C(any,     "Can't dump task * running in 32-bit mode", bits32, "process $1 is a 32-bit one"),
	C(any,     "Can't dump task * with LDT descriptors", bits32, "process $1 has LDT descriptors"),
	C(any,     "CRIU was built without CONFIG_COMPAT", bits32, "criu $V was built without support for 32-bit processes"),
	C(dump,    "* has rseq but kernel lacks get_rseq_conf feature", rseq, "kernel $K does not tell the rseq state of process $1"),
	C(restore, "rseq: can't restore as kernel doesn't support it", rseq, "kernel $K has no rseq"),
	C(any,     "Can't fetch filter on tid_real *: *", seccomp, "the seccomp filters of thread $1 cannot be read: $2"),
	C(any,     "Can't collect filter on * *", seccomp, "seccomp filters cannot be read: $1 $2"),
	C(restore, "seccomp: * returned * on tid *", seccomp, "thread $3 cannot take its seccomp filters: $1 gave $2"),
	C(any,     "Cannot unlock CET for * task", shstk, "the shadow stack of process $1 cannot be unlocked"),
	C(any,     "Cannot get shadow stack status", shstk, "the shadow stack's state cannot be read"),
	C(dump,    "PID * has uprobes vma", uprobes, "process $1 is being probed"),
	C(dump,    "Can't open *'s mapfile link *: *", mapfiles, "a mapping of process $1 cannot be opened: $3"),
	C(dump,    "Can't open map_files", mapfiles, "/proc/PID/map_files cannot be opened"),
	C(dump,    "Unsupported mapping found *", mapping, "a mapping of a kind that criu $V cannot dump, at $1"),
	C(dump,    "Can't handle non-regular mapping on *'s map *", mapping, "process $1 maps a special file at $2"),
	C(dump,    "Strange file mapped at * [*]", mapping, "the file $2 is mapped at $1 and cannot be found again"),
	C(any,     "Tracking memory is not available", dirty, "kernel $K cannot track changed pages"),
	C(any,     "failed to collect AA namespace", lsm, "the AppArmor policies cannot be read"),
	C(any,     "getting selinux profile failed", lsm, "the SELinux context of a process cannot be read"),
	C(restore, "apparmor LSM specified but apparmor not supported by kernel", lsm, "kernel $K has no AppArmor, and the container has a profile"),
	C(restore, "selinux LSM specified but selinux not supported by kernel", lsm, "kernel $K has no SELinux, and the container has a context"),
	C(restore, "can't write lsm profile *", lsm, "the security profile cannot be set: error $1"),
	C(any,     "* failed when initializing kerndat", kerndat, "criu $V cannot probe kernel $K: $1"),
	/* the image and its new home */
	C(restore, "FPU feature required by image", cpu, "the target's CPU lacks an FPU feature of the source's"),
	C(restore, "CPU instruction capabilities do not match run time", cpu, "the target's CPU lacks instructions of the source's"),
	C(restore, "CPU capabilities do not match run time", cpu, "the target's CPU differs from the source's"),
	C(restore, "CPU xfeatures has unsupported bits (*)", xsave, "the target's CPU lacks the register sets $1"),
	C(restore, "CPU xsave * mismatch (*/*)", xsave, "the register area has $2 bytes in the image and $3 on the target ($1)"),
	C(restore, "Corruption in * area", xsave, "the register area $1 does not fit the target's CPU"),
	C(restore, "Core march mismatch *", cpu, "the image is of another architecture ($1)"),
	C(restore, "Not supported images version *", imgversion, "the image has version $1, which criu $V cannot read"),
	C(restore, "Too old image, no longer supported", imgversion, "the image is too old for criu $V"),
	C(restore, "agic doesn't match for *", imgbad, "$1 is no image of this kind"),
	C(any,     "Img trimmed *", imgbad, "an image was cut: $1 bytes"),
	C(restore, "Unexpected EOF", imgbad, "an image ends too early"),
	C(restore, "Image corrupted on pid *", imgbad, "the image of process $1 is damaged"),
	C(restore, "Missing required plugin: *", plugin, "the plugin $1 is not there"),
	C(restore, "Can't fork for *: File exists", pid, "process id $1 is taken on the target"),
	C(restore, "Setting PID failed", pid, "a process id cannot be chosen on the target"),
	C(restore, "Pid * do not match expected *", pid, "a process became $1 instead of $2 on the target"),
	C(restore, "can only be restored in a new pid namespace", pid, "the target's config gives it no pid namespace of its own"),
	C(restore, "Can't move thread * into *", cgroup, "thread $1 cannot be moved into cgroup $2"),
	C(restore, "Can't move * into *", cgroup, "a process cannot be moved into cgroup $2"),
	C(restore, "Can't make cgroup dir *: *", cgroup, "cgroup $1 cannot be made: $2"),
	C(restore, "Cgroup dir * doesn't exist", cgroup, "cgroup $1 is not there"),
	C(restore, "cg: Failed writing * to *: *", cgroup, "cgroup setting $2 does not take $1: $3"),
	C(any,     "CG paths mismatch: *", cgroup, "the cgroup paths differ: $1"),
	C(any,     "Setting loginuid for *", loginuid, "the audit user id cannot be set: $1"),
	C(restore, "Can't restore * mapping with *", memmap, "the memory at $1 cannot be mapped: $2"),
	C(restore, "Unable to remap *", memmap, "memory cannot be moved into place: $1"),
	C(restore, "PR_SET_MM_MAP) failed with *", memmap, "the layout of a process cannot be set: error $1"),
	C(restore, "No suitable area for task_restore bootstrap", memmap, "a process's address space has no room for criu"),
	/* programs around it */
	C(any,     "Locking network failed*", nft, "criu's own network lock failed$1"),
	C(any,     "built without libnftables support", nft, "criu $V was built without nftables"),
	C(restore, "nft command error", nft, "the container's nftables rules cannot be set"),
	C(restore, "Can't restore ip*tables dump", nft, "the container's iptables rules cannot be set"),
	C(any,     "IP tool failed on *", iptool, "ip failed: $1"),
	C(any,     "execvp(\"*\", ...) failed: *", iptool, "$1 cannot be run: $2"),
	C(any,     "Script * exited with *", script, "$1 exited with $2"),
	E(any,     "One of more action scripts failed", script, "an action script failed"),
	C(any,     "Timeout reached. Try to interrupt", timeout, "criu did not end within its own timeout"),
	/* what the runtime says itself */
	C(any,     "\"criu\": executable file not found", nocriu, "criu is not in the runtime's PATH"),
	C(any,     "could not load *libcriu*", nocriu, "crun cannot load libcriu"),
	C(any,     "checkpoint/restore support not available", nocriu, "the runtime was built without checkpoint support"),
	C(any,     "CRIU version * must be * or higher", oldcriu, "criu $1, and the runtime wants $2"),
	C(any,     "CRIU version check failed", oldcriu, "the runtime does not accept this criu"),
	C(restore, "container with given ID already exists", exists, "the runtime has a container of this name already"),
	C(restore, "container * already exists", exists, "the runtime has a container of this name already"),
	/* the kernel's word for it */
	N(any,     "*: No space left on device", nospace, "$1: no space left"),
	N(any,     "*: Disk quota exceeded", nospace, "$1: disk quota exceeded"),
	N(any,     "*: Cannot allocate memory", nomem, "$1: no memory left"),
	N(any,     "*: Operation not permitted", noperm, "$1: not permitted"),
	N(any,     "*: Permission denied", noperm, "$1: permission denied"),
	/* what came of it */
	E(any,     "killed by signal 11*", crashed, "a process crashed as it was restored"),
	E(dump,    "Can't infect (pid: *) with parasite", parasite, "criu's code cannot run in process $1"),
	E(any,     "Command * for daemon failed with *", parasite, "criu's code failed in a process: command $1, error $2"),
	E(any,     "killed by signal 9*", crashed, "a process was killed as it was restored"),
};
#undef C
#undef E
#undef N
#undef H
/* clang-format on */

/* --- patterns --- */

struct capture {
	const char *at;
	size_t len;
};

/* Whether the literals between the stars follow each other in the text; captures what the stars
 * stand for, the shortest that fits. */
static bool match(const char *pattern, const char *text, size_t len, struct capture *captures)
{
	const char *end = text + len, *after = text;
	size_t n = *pattern == '*' ? 0 : (size_t)-1; /* what comes before a literal is no star's */

	while (*pattern) {
		size_t literal = strcspn(pattern, "*");
		const char *found =
			literal ? memmem(after, (size_t)(end - after), pattern, literal) : NULL;

		if (!literal) { /* a star: the next literal, or the end, closes it */
			if (!*++pattern && n < CAPTURES)
				captures[n] = (struct capture){after, (size_t)(end - after)};
			continue;
		}
		if (!found)
			return false;
		if (n < CAPTURES)
			captures[n] = (struct capture){after, (size_t)(found - after)};
		n++;
		after = found + literal;
		pattern += literal;
	}
	return true;
}

static const struct pattern *find(enum criulog_phase phase, const char *text, size_t len,
				  struct capture captures[CAPTURES])
{
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		const struct pattern *p = &patterns[i];

		memset(captures, 0, CAPTURES * sizeof(*captures));
		if ((p->phase == CRIULOG_any || phase == CRIULOG_any || p->phase == phase) &&
		    match(p->text, text, len, captures))
			return p;
	}
	return NULL;
}

int criulog_match(enum criulog_phase phase, const char *message)
{
	struct capture captures[CAPTURES];
	const struct pattern *p = find(phase, message, strlen(message), captures);

	return p ? (int)(p - patterns) : -1;
}

const char *criulog_pattern(size_t i, enum code_id *ret_code)
{
	if (i >= ARRAY_LEN(patterns))
		return NULL;
	*ret_code = patterns[i].tells == TELLS_nothing ? CODE_COUNT : patterns[i].code;
	return patterns[i].text;
}

/* --- sentences --- */

/* Control characters and quotes of a log do not reach a terminal. */
static void add(char *to, size_t size, const char *text, size_t len)
{
	size_t used = strlen(to);

	for (size_t i = 0; i < len && used + 1 < size; i++)
		to[used++] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	to[used] = '\0';
}

static void add_value(struct criulog *ret, char what, const struct capture captures[CAPTURES])
{
	const struct capture *c = captures + (what - '1');
	const char *text = what == 'V' ? ret->criu : ret->kernel;
	size_t len;

	if (what == 'V' || what == 'K')
		add(ret->why, sizeof(ret->why), *text ? text : "?", *text ? strlen(text) : 1);
	if (what < '1' || what >= '1' + CAPTURES || !c->at)
		return;
	len = c->len < CAPTURE_MAX ? c->len : CAPTURE_MAX;
	while (len && strchr(".! ", c->at[len - 1])) /* the end of a sentence */
		len--;
	add(ret->why, sizeof(ret->why), c->at, len);
}

static void say(const struct pattern *p, const struct capture captures[CAPTURES],
		struct criulog *ret)
{
	ret->code = p->code;
	ret->why[0] = '\0';
	for (const char *at = p->why; *at; at++) {
		if (*at == '$' && at[1])
			add_value(ret, *++at, captures);
		else
			add(ret->why, sizeof(ret->why), at, 1);
	}
}

/* --- the log --- */

struct line {
	const char *at;
	size_t len;
};

/* One line without its end; *rest goes on to the next. False at the end of the text. */
static bool next_line(const char **rest, struct line *ret)
{
	if (!*rest || !**rest)
		return false;
	ret->at = *rest;
	ret->len = strcspn(*rest, "\n");
	*rest += ret->len + ((*rest)[ret->len] == '\n');
	return true;
}

/* "(00.1) 1: Error (criu/mount.c:12): mnt: text" → where "mount.c:12", message "mnt: text". */
static bool is_error(const struct line *line, struct line *ret_where, struct line *ret_message)
{
	const char *end = line->at + line->len, *slash;
	const char *at = memmem(line->at, line->len, "Error (", 7), *close;

	if (!at)
		return false;
	at += 7;
	close = memmem(at, (size_t)(end - at), "): ", 3);
	if (!close)
		return false;
	slash = memrchr(at, '/', (size_t)(close - at));
	at = slash ? slash + 1 : at;
	*ret_where = (struct line){at, (size_t)(close - at)};
	*ret_message = (struct line){close + 3, (size_t)(end - close - 3)};
	return true;
}

static void word_after(const struct line *line, const char *label, char *to, size_t size)
{
	const char *at = memmem(line->at, line->len, label, strlen(label));
	size_t len;

	if (!at || *to)
		return;
	at += strlen(label);
	len = strcspn(at, " \n");
	to[0] = '\0';
	add(to, size, at, len);
}

/* "(00.000373) Version: 4.0 (gitid 0)", "(00.000388) Running on h Linux 6.10.4 #1 SMP …" */
static void read_versions(const char *log, struct criulog *ret)
{
	struct line line;

	for (int i = 0; i < 40 && next_line(&log, &line); i++) {
		word_after(&line, " Version: ", ret->criu, sizeof(ret->criu));
		if (memmem(line.at, line.len, "Running on ", 11))
			word_after(&line, " Linux ", ret->kernel, sizeof(ret->kernel));
	}
}

struct search {
	enum criulog_phase phase;
	struct criulog *ret;
	enum tells best;         /* TELLS_nothing: nothing known was found */
	struct line first;       /* unknown error line */
	struct line first_where; /* and its place */
};

static void judge(struct search *s, const struct line *where, const struct line *message)
{
	struct capture captures[CAPTURES];
	const struct pattern *p = find(s->phase, message->at, message->len, captures);

	if (p && p->tells < s->best) {
		s->best = p->tells;
		say(p, captures, s->ret);
	}
	if (!p && !s->first.at && where) {
		s->first = *message;
		s->first_where = *where;
	}
}

/* Keeps the last lines: the oldest goes when there is a new one. */
static void keep_last(struct criulog *ret, const struct line *where, const struct line *message)
{
	size_t lines = 0;
	char *second = NULL;

	for (char *at = ret->last; *at; at++)
		if (*at == '\n' && ++lines == 1)
			second = at + 1;
	if (lines == CRIULOG_LINES)
		memmove(ret->last, second, strlen(second) + 1);
	add(ret->last, sizeof(ret->last), where->at, where->len < 40 ? where->len : 40);
	add(ret->last, sizeof(ret->last), ": ", 2);
	add(ret->last, sizeof(ret->last), message->at, message->len < 200 ? message->len : 200);
	str_fmt(ret->last + strlen(ret->last), sizeof(ret->last) - strlen(ret->last), "\n");
}

static void say_unknown(const struct search *s, const char *said)
{
	struct criulog *ret = s->ret;
	struct line line, last = {0};

	ret->code = CODE_criu_unknown;
	while (!s->first.at && next_line(&said, &line))
		if (line.len)
			last = line;
	if (s->first.at) {
		str_fmt(ret->why, sizeof(ret->why), "criu %s stopped at ", ret->criu);
		add(ret->why, sizeof(ret->why), s->first_where.at, s->first_where.len);
		add(ret->why, sizeof(ret->why), ": ", 2);
		last = s->first;
	}
	add(ret->why, sizeof(ret->why), last.at, last.len);
	if (!ret->why[0])
		str_copy(ret->why, sizeof(ret->why), "neither criu nor the runtime says why");
}

void criulog_classify(enum criulog_phase phase, const char *log, const char *said,
		      struct criulog *ret)
{
	struct search s = {.phase = phase, .ret = ret, .best = TELLS_nothing};
	const char *rest = log;
	struct line line, where, message;

	*ret = (struct criulog){.code = CODE_criu_unknown};
	if (log)
		read_versions(log, ret);
	while (next_line(&rest, &line)) {
		if (!is_error(&line, &where, &message))
			continue;
		judge(&s, &where, &message);
		keep_last(ret, &where, &message);
	}
	for (rest = said; s.best > TELLS_cause && next_line(&rest, &line);)
		judge(&s, NULL, &line);
	if (s.best == TELLS_nothing)
		say_unknown(&s, said);
}
