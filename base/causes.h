/* SPDX-License-Identifier: MPL-2.0
 *
 * What stops CRIU, as people are told it: a stable code, what it means, what to do. The patterns of
 * a log that lead to a code are in runtime/criulog.c. Codes of the verdict, which are found before
 * anything is frozen, are coordinator/score.h's; both tables are what `drover explain` lists. */
#ifndef DROVER_BASE_CAUSES_H
#define DROVER_BASE_CAUSES_H

#include <stddef.h>

/* clang-format off */
/* X(identifier, code, what it means, fix); a fix has at most 255 bytes */
#define CAUSE_TABLE(X) \
	/* the dump: what the container holds */ \
	X(sockopt,      "E-CRIU-SOCKOPT",      "this CRIU asks the kernel for a socket option that it does not have", \
	  "install criu 4.2 or later: older ones cannot dump inet and packet sockets on kernel 6.16 and later") \
	X(vdso,         "E-CRIU-VDSO",         "this CRIU does not know the kernel's vDSO", \
	  "install criu 4.1 or later: kernel 6.13 has changed the vDSO") \
	X(iouring,      "E-CRIU-IOURING",      "a process has an io_uring ring, which CRIU cannot dump", \
	  "run it with io_uring off (kernel.io_uring_disabled, or the program's own setting), or move it cold") \
	X(anonfd,       "E-CRIU-ANONFD",       "a process has an anonymous file of a kind that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold") \
	X(device,       "E-CRIU-DEVICE",       "a process has a device open that CRIU cannot dump", \
	  "have it close the device before the move; a GPU needs CRIU's plugin for it") \
	X(fdtype,       "E-CRIU-FDTYPE",       "a process has a file of a kind that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold") \
	X(mptcp,        "E-CRIU-MPTCP",        "a socket speaks a protocol that CRIU cannot dump, MPTCP most likely", \
	  "turn MPTCP off: net.mptcp.enabled=0 in its namespace, or GODEBUG=multipathtcp=0 for a Go program") \
	X(socket,       "E-CRIU-SOCKET",       "a socket is of a type or in a state that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold") \
	X(tcp,          "E-CRIU-TCP",          "a TCP connection was open and CRIU was not told to keep it", \
	  "look for tcp-close in /etc/criu/*.conf and take it out: drover always asks for tcp-established") \
	X(tcpflight,    "E-CRIU-TCP-INFLIGHT", "a connection had not been accepted yet when the container was frozen", \
	  "move it again; or put skip-in-flight into /etc/criu/runc.conf and /etc/criu/crun.conf") \
	X(repair,       "E-CRIU-TCP-REPAIR",   "the kernel would not take or give a TCP connection's state", \
	  "see that criu has CAP_NET_ADMIN, and that no firewall lock of another move is left in the namespace") \
	X(cork,         "E-CRIU-UDP-CORK",     "a datagram was half written when the container was frozen", \
	  "move it again") \
	X(extunix,      "E-CRIU-EXT-UNIX",     "a unix socket's other end is outside the container", \
	  "close its unix sockets to the outside first (a mounted docker.sock or log socket, most often)") \
	X(unixflight,   "E-CRIU-UNIX-INFLIGHT", "a unix connection was being made when the container was frozen", \
	  "move it again") \
	X(unixpeer,     "E-CRIU-UNIX-PEER",    "a unix socket's peer cannot be found", \
	  "move it again; if it stays, restart the process that made the socket") \
	X(scm,          "E-CRIU-SCM",          "a control message waits in a socket's queue", \
	  "move it again") \
	X(netlink,      "E-CRIU-NETLINK",      "a netlink socket is in a state that CRIU cannot dump", \
	  "move it again; if it stays, stop the process that listens on netlink first") \
	X(packet,       "E-CRIU-PACKET",       "a packet socket is in a state that CRIU cannot dump", \
	  "stop the capture (tcpdump, dhclient) in the container first") \
	X(netns,        "E-CRIU-NETNS",        "a socket belongs to a network namespace outside the container", \
	  "have the process close that socket, or move those that share the namespace together, cold") \
	X(netdev,       "E-CRIU-NETDEV",       "the container's namespace has a network device that CRIU cannot handle", \
	  "remove the device, or give the container a namespace by path so that drover carries its network") \
	X(tty,          "E-CRIU-TTY",          "a process has a terminal whose other end is outside the container", \
	  "start it with \"terminal\": false and its stdio on /dev/null or pipes") \
	X(ttyqueue,     "E-CRIU-TTY-QUEUE",    "more data waits in a terminal than CRIU can carry", \
	  "move it again when the terminal has been read") \
	X(session,      "E-CRIU-SESSION",      "a process belongs to a session whose leader is outside the container", \
	  "start the container detached: its first process must lead its own session") \
	X(locks,        "E-CRIU-LOCKS",        "a file lock cannot be carried", \
	  "see that nobody outside the container holds or waits for a lock on the same file") \
	X(ghost,        "E-CRIU-GHOST",        "a deleted file is open and larger than CRIU will carry", \
	  "have the process close or truncate it, or raise ghost-limit in /etc/criu/runc.conf and crun.conf") \
	X(linkremap,    "E-CRIU-LINKREMAP",    "an open file was deleted, and another name of it still exists", \
	  "have the process open it anew, or put link-remap into /etc/criu/runc.conf and crun.conf") \
	X(fdmount,      "E-CRIU-FD-MOUNT",     "an open file lies on a mount that the container does not see", \
	  "start the container with stdio on /dev/null or pipes; files opened before the start stay outside") \
	X(overmount,    "E-CRIU-OVERMOUNT",    "an open file lies under a later mount", \
	  "take the upper mount away, or have the process close the file") \
	X(path,         "E-CRIU-PATH",         "the name of an open file leads to another file now", \
	  "have the process open the file anew under its present name") \
	X(mntroot,      "E-CRIU-MNT-ROOT",     "CRIU does not see the mount that the container's tree hangs on", \
	  "run drover-worker in the host's own root, not in a chroot, and keep container storage off an overlay") \
	X(mntext,       "E-CRIU-MNT-EXT",      "a mount comes from outside the container and is not named in its config", \
	  "put the mount into config.json's mounts, or unmount it in the container") \
	X(mntshare,     "E-CRIU-MNT-SHARING",  "a mount shares propagation with one outside the container", \
	  "mount it private or slave: \"rprivate\" in config.json's mount options and rootfsPropagation") \
	X(fs,           "E-CRIU-FS",           "a file system in the container is of a kind that CRIU does not know", \
	  "unmount it in the container, or mount it from config.json as a bind") \
	X(nestedns,     "E-CRIU-NESTED-NS",    "a process in the container made a namespace of its own", \
	  "containers within the container cannot move with it: stop them, or move them by themselves") \
	X(userns,       "E-CRIU-USERNS",       "the container's user namespace does not own its other namespaces", \
	  "start it with all its namespaces made together with the user namespace") \
	X(root,         "E-CRIU-ROOT",         "the first process has another root than its mount namespace", \
	  "start it without chroot: the runtime's pivot_root is what CRIU expects") \
	X(sysv,         "E-CRIU-SYSV",         "it uses System V memory and has no IPC namespace of its own", \
	  "add an ipc namespace to config.json") \
	X(freeze,       "E-CRIU-FREEZE",       "the container's cgroup does not freeze", \
	  "look for a task in state D (a dead NFS mount, most often) and try again when it is gone") \
	X(ptrace,       "E-CRIU-PTRACE",       "a process cannot be traced: something else traces it, or tracing is forbidden", \
	  "detach strace, gdb or the profiler from it; see kernel.yama.ptrace_scope and the host's LSM") \
	X(inside,       "E-CRIU-INSIDE",       "CRIU itself would be dumped", \
	  "run drover-worker outside the container that it moves") \
	X(zombie,       "E-CRIU-ZOMBIE",       "a process was dying, thread by thread, when it was frozen", \
	  "move it again") \
	X(stopped,      "E-CRIU-STOPPED",      "a single thread of a process is stopped", \
	  "continue the thread (SIGCONT), or detach its debugger") \
	X(dead,         "E-CRIU-DEAD",         "the container's first process had ended", \
	  "see why it ended: there is nothing left to move") \
	X(bits32,       "E-CRIU-32BIT",        "a 32-bit process, and this CRIU or kernel cannot carry those", \
	  "use a CRIU built with compat support, or a 64-bit program") \
	X(rseq,         "E-CRIU-RSEQ",         "a process uses rseq, and the kernel cannot tell or take its state", \
	  "move between hosts with kernel 5.13 or later") \
	X(seccomp,      "E-CRIU-SECCOMP",      "a process has seccomp filters that the kernel does not give or take", \
	  "see that criu has CAP_SYS_ADMIN and that both kernels have CONFIG_CHECKPOINT_RESTORE") \
	X(shstk,        "E-CRIU-SHSTK",        "a process uses a shadow stack that CRIU cannot carry", \
	  "install criu 4.0 or later, or start the program with glibc.cpu.x86_shstk=off in GLIBC_TUNABLES") \
	X(parasite,     "E-CRIU-PARASITE",     "CRIU's code could not run in a process of the container", \
	  "see the lines before it in the log; a seccomp filter or LSM that forbids mmap or sockets does this") \
	X(uprobes,      "E-CRIU-UPROBES",      "a process is being probed (perf, bpftrace)", \
	  "stop the uprobes on the container's programs first") \
	X(bpf,          "E-CRIU-BPF",          "a BPF map or program of a kind that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold") \
	X(inotify,      "E-CRIU-INOTIFY",      "a watched file cannot be found again", \
	  "have the process drop watches on deleted files; or put force-irmap into /etc/criu/runc.conf") \
	X(mapping,      "E-CRIU-MAPPING",      "a process has a memory mapping that CRIU cannot dump", \
	  "have it unmap the device or special file before the move, or move it cold") \
	X(mapfiles,     "E-CRIU-MAPFILES",     "CRIU may not read /proc/PID/map_files", \
	  "run drover-worker as root with CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE") \
	X(aio,          "E-CRIU-AIO",          "asynchronous I/O was under way", \
	  "move it again when its I/O is quiet") \
	X(pipepacket,   "E-CRIU-PIPE-PACKET",  "a pipe in packet mode, which this CRIU cannot dump", \
	  "have the process open its pipes without O_DIRECT") \
	X(lsm,          "E-CRIU-LSM",          "its AppArmor or SELinux profile cannot be carried", \
	  "load the same profile on both hosts, or run the container unconfined") \
	X(diag,         "E-CRIU-DIAG",         "the kernel's socket diagnosis modules are not loaded", \
	  "modprobe -a inet_diag tcp_diag udp_diag unix_diag netlink_diag af_packet_diag") \
	X(dirty,        "E-CRIU-DIRTY",        "the kernel cannot track changed pages (CONFIG_MEM_SOFT_DIRTY)", \
	  "take track-mem out of /etc/criu/*.conf") \
	X(kerndat,      "E-CRIU-KERNDAT",      "CRIU failed as it probed the kernel", \
	  "run criu check on that host; after a kernel or criu upgrade remove /run/criu.kdat") \
	X(timens,       "E-CRIU-TIMENS",       "time namespaces are missing or nested", \
	  "boot a kernel with CONFIG_TIME_NS, and do not unshare time in the container") \
	/* the restore: what the target lacks */ \
	X(nofile,       "E-CRIU-NOFILE",       "a file that a process had open is not there on the target", \
	  "copy it there first; a file under a bind mount does not travel with the container") \
	X(filechanged,  "E-CRIU-FILE-CHANGED", "a file that a process had open is another one on the target", \
	  "put the same version there: programs and libraries under a bind mount must be equal on both hosts") \
	X(ghostlink,    "E-CRIU-GHOST-LINK",   "a deleted but open file cannot be made again on the target", \
	  "see that its directory exists there, is writable and has no file of that name") \
	X(port,         "E-CRIU-PORT",         "a port of the container is in use on the target", \
	  "stop what listens there, or choose another target; a network namespace of its own avoids this") \
	X(addr,         "E-CRIU-ADDR",         "an address of the container is not there on the target", \
	  "choose a host on the same subnet, and give the container a network namespace by path") \
	X(iface,        "E-CRIU-IFACE",        "a socket is bound to an interface that the target does not have", \
	  "make the interface there under the same name, or bind to an address instead") \
	X(sockbuf,      "E-CRIU-SOCKSET",      "an option of a socket cannot be set on the target", \
	  "see that criu has CAP_NET_ADMIN there and that its kernel is not older than the source's") \
	X(pid,          "E-CRIU-PID",          "a process id of the container is taken on the target", \
	  "give the container a pid namespace of its own") \
	X(cpu,          "E-CRIU-CPU",          "the target's CPU lacks something that the container uses", \
	  "choose a host whose CPU has it; see drover check") \
	X(xsave,        "E-CRIU-XSAVE",        "the target's CPU saves its registers in another form", \
	  "choose a host with the same xsave area; see drover check") \
	X(imgversion,   "E-CRIU-IMG-VERSION",  "the image is of another CRIU version than the target can read", \
	  "install the same criu version on both hosts") \
	X(imgbad,       "E-CRIU-IMG-CORRUPT",  "the image is not whole or not of this form", \
	  "move it again; if it comes back, compare the criu versions and look for a full or faulty disk") \
	X(plugin,       "E-CRIU-PLUGIN",       "the image needs a CRIU plugin that the target does not have", \
	  "install the plugin there (criu-plugin packages: CUDA, AMD GPU)") \
	X(mount,        "E-CRIU-MOUNT",        "a mount of the container cannot be made on the target", \
	  "make its source there, with the kernel module of its file system; compare config.json's mounts") \
	X(cgroup,       "E-CRIU-CGROUP",       "the container's cgroups cannot be made on the target", \
	  "boot both hosts with the same cgroup version and controllers, and remove a left-over cgroup of it") \
	X(loginuid,     "E-CRIU-LOGINUID",     "the audit user id cannot be set on the target", \
	  "run drover-worker with CAP_AUDIT_CONTROL, outside a container") \
	X(exists,       "E-CRIU-EXISTS",       "the runtime knows a container of this name on the target already", \
	  "remove it there, or its directory below /run/runc or /run/crun when nothing of it runs") \
	X(memmap,       "E-CRIU-MEMORY",       "a process's memory cannot be laid out again on the target", \
	  "compare the hosts' vm.overcommit_memory, vm.max_map_count and huge pages") \
	/* either */ \
	X(nft,          "E-CRIU-NETLOCK",      "CRIU could not set or read firewall rules", \
	  "put network-lock skip into /etc/criu/default.conf: drover's own gate keeps the network closed") \
	X(iptool,       "E-CRIU-IPTOOL",       "a program that CRIU calls is missing or failed", \
	  "install iproute2 and iptables, in the versions of the source") \
	X(script,       "E-CRIU-SCRIPT",       "an action script failed", \
	  "see action-script in /etc/criu/*.conf: only drover's hook belongs there") \
	X(nospace,      "E-CRIU-NOSPACE",      "there is no space left for the image", \
	  "free space in node.run and worker.storage on that host") \
	X(nomem,        "E-CRIU-NOMEM",        "the kernel had no memory left", \
	  "free memory on that host, or raise the limit of the cgroup that criu runs in") \
	X(timeout,      "E-CRIU-TIMEOUT",      "CRIU did not end in time", \
	  "see which line of the log it stopped at; a busy disk or a hung mount is the usual cause") \
	X(nocriu,       "E-CRIU-NOCRIU",       "the runtime found no usable CRIU", \
	  "install criu (and libcriu2 for crun) on that host, and run drover doctor there") \
	X(oldcriu,      "E-CRIU-OLDCRIU",      "CRIU is older than the runtime wants", \
	  "install a newer criu on that host") \
	X(noperm,       "E-CRIU-PERM",         "the kernel refused CRIU a right", \
	  "run drover-worker as root with CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_SYS_PTRACE") \
	X(crashed,      "E-CRIU-CRASHED",      "CRIU, or a process that it was restoring, was killed by a signal", \
	  "see dmesg on that host: the OOM killer leaves a line there; else report CRIU's crash with the log") \
	X(unknown,      "E-CRIU-UNKNOWN",      "a failure that is in no table", \
	  "read the whole log: drover job ID --log")
/* clang-format on */

enum cause_id {
#define X(id, ...) CAUSE_##id,
	CAUSE_TABLE(X)
#undef X
		CAUSE_COUNT
};

struct cause_row {
	const char *code, *what, *fix;
};

/* NULL past the end. */
const struct cause_row *cause_row(size_t id);

/* The row of a code, NULL when it is not in the table. */
const struct cause_row *cause_find(const char *code);

#endif
