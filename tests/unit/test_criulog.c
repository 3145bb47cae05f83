/* SPDX-License-Identifier: MPL-2.0
 *
 * Each line that CRIU or a runtime is known to fail with leads to its code; each pattern and each
 * code has such a line; a log with many errors leads to the one that tells most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "base/str.h"
#include "runtime/criulog.h"

#include <stdio.h>
#include <string.h>

#define HEAD \
	"(00.000100) Version: 4.1.1 (gitid 0)\n" \
	"(00.000110) Running on alpha Linux 6.18.5 #1 SMP x86_64\n"

/* place: "" = the runtime says it on stderr; why NULL: not looked at here */
struct example {
	char phase; /* d dump, r restore */
	const char *place, *text, *code, *why;
};

/* clang-format off */
static const struct example examples[] = {
	{'d', "criu/sockets.c:640", "sockets: Can't get 1:16 opt: Protocol not available", "E-CRIU-SOCKOPT",
	 "criu 4.1.1 cannot read socket option 1:16 on kernel 6.18.5"},
	{'d', "criu/sk-inet.c:137", "inet: Unsupported proto 262 for socket 5e1f", "E-CRIU-MPTCP",
	 "socket 5e1f speaks protocol 262, which criu 4.1.1 cannot dump"},
	{'d', "criu/sk-inet.c:200", "inet: Connected TCP socket, consider using --tcp-established option.", "E-CRIU-TCP", NULL},
	{'r', "criu/sk-inet.c:912", "inet: Connected TCP socket in image", "E-CRIU-TCP", NULL},
	{'r', "criu/image.c:94", "Need to set the --tcp-close options.", "E-CRIU-TCP", NULL},
	{'d', "criu/sk-inet.c:185", "inet: In-flight connection (l) for 6a2f", "E-CRIU-TCP-INFLIGHT",
	 "listening socket 6a2f has a connection that nobody has accepted"},
	{'d', "criu/sk-unix.c:494", "unix: In-flight connection on non-listening socket 7731", "E-CRIU-UNIX-INFLIGHT", NULL},
	{'d', "criu/sk-unix.c:506", "unix: Non-empty write queue on an in-flight socket 0x1e33", "E-CRIU-UNIX-INFLIGHT", NULL},
	{'d', "criu/sk-unix.c:525", "unix: Found a closed in-flight socket to 0x1e33", "E-CRIU-UNIX-INFLIGHT", NULL},
	{'d', "criu/sk-inet.c:153", "inet: Can't dump corked dgram socket 3f2", "E-CRIU-UDP-CORK", "datagram socket 3f2 is corked"},
	{'d', "criu/sk-inet.c:167", "inet: Can't dump 5 inet socket 3f2. Only stream, dgram and raw are supported.", "E-CRIU-SOCKET", NULL},
	{'d', "criu/sk-inet.c:208", "inet: Unknown inet socket 3f2 state 12", "E-CRIU-SOCKET", NULL},
	{'d', "criu/sk-unix.c:156", "unix: Unsupported type (4) on socket 17.", "E-CRIU-SOCKET", NULL},
	{'d', "criu/sk-unix.c:168", "unix: Unknown state 9 for unix socket 17", "E-CRIU-SOCKET", NULL},
	{'d', "criu/sockets.c:767", "sockets: BUG! Unknown socket collected (family 40)", "E-CRIU-SOCKET",
	 "a socket of address family 40, which criu 4.1.1 cannot dump"},
	{'d', "criu/sk-inet.c:280", "inet: Unsupported socket family: 38", "E-CRIU-SOCKET", NULL},
	{'d', "criu/sk-unix.c:874", "unix: External socket is used. Consider using --ext-unix-sk option.", "E-CRIU-EXT-UNIX",
	 "a unix socket is connected to a process outside the container"},
	{'d', "criu/sk-unix.c:881", "unix: Can't dump half of stream unix connection. name: (null); peer name: /run/log.sock", "E-CRIU-EXT-UNIX",
	 "a unix connection leads out of the container (name (null), peer /run/log.sock)"},
	{'d', "criu/sk-unix.c:801", "sk unix: Can't dump half of stream unix connection.", "E-CRIU-EXT-UNIX", NULL},
	{'d', "criu/sk-unix.c:888", "unix: Can't dump name-less external socket.", "E-CRIU-EXT-UNIX", NULL},
	{'r', "criu/sk-unix.c:1912", "unix: External socket found in image. Consider using the --ext-unix-sk option to allow restoring it.", "E-CRIU-EXT-UNIX", NULL},
	{'d', "criu/sk-unix.c:428", "unix: Unix socket 1201 with unreachable peer 1202 (0)", "E-CRIU-UNIX-PEER", NULL},
	{'d', "criu/sk-unix.c:418", "unix: Unix socket 1201 without peer 1202", "E-CRIU-UNIX-PEER", NULL},
	{'r', "criu/sk-unix.c:2285", "unix: FATAL: Peer 1202 unresolved for 1201", "E-CRIU-UNIX-PEER",
	 "unix socket 1201 has the peer 1202, which is not there"},
	{'d', "criu/sk-unix.c:479", "unix: Dangling connection 1201", "E-CRIU-UNIX-PEER", NULL},
	{'d', "criu/sk-queue.c:144", "skqueue: Control messages in queue, not supported", "E-CRIU-SCM", NULL},
	{'d', "criu/sk-netlink.c:77", "netlink: The socket has data to read", "E-CRIU-NETLINK", "a netlink socket has unread messages"},
	{'d', "criu/sk-netlink.c:134", "netlink: The netlink socket 0x1f has more than 32 groups", "E-CRIU-NETLINK", NULL},
	{'d', "criu/sk-netlink.c:138", "netlink: The netlink socket 0x1f is bound to groups but not to portid", "E-CRIU-NETLINK", NULL},
	{'d', "criu/sk-packet.c:71", "packet: Multiple MC membership not supported (but can be)", "E-CRIU-PACKET", NULL},
	{'d', "criu/net.c:3718", "net: Unable to dump a socket from an external network namespace", "E-CRIU-NETNS", NULL},
	{'r', "criu/net.c:2838", "net: Unable to find an external netns: extRootNetNS", "E-CRIU-NETNS", NULL},
	{'d', "criu/net.c:650", "net: Unsupported link 3 (type 65534 kind wireguard)", "E-CRIU-NETDEV",
	 "network device 3 is of kind wireguard, which criu 4.1.1 cannot dump"},
	{'r', "criu/net.c:1823", "net: Can't restore link: -17", "E-CRIU-NETDEV", NULL},
	{'r', "criu/net.c:1775", "net: Unsupported link type 99", "E-CRIU-NETDEV", NULL},
	{'d', "criu/sockets.c:216", "sockets: Diag module missing (-2)", "E-CRIU-DIAG", NULL},
	{'d', "soccr/soccr.c:94", "Can't turn TCP repair mode ON: Operation not permitted", "E-CRIU-TCP-REPAIR",
	 "a TCP connection cannot be put into repair mode: Operation not permitted"},
	{'d', "criu/sk-tcp.c:147", "tcp: libsoccr_save() failed with -1", "E-CRIU-TCP-REPAIR", NULL},
	{'d', "criu/sk-tcp.c:81", "tcp: Failed to lock TCP connection 5e1f", "E-CRIU-TCP-REPAIR", NULL},
	{'r', "criu/sk-inet.c:1059", "inet: Can't bind inet socket (id 12): Address already in use", "E-CRIU-PORT",
	 "a port of the container is in use on the target"},
	{'r', "soccr/soccr.c:499", "Can't bind inet socket back: Cannot assign requested address", "E-CRIU-ADDR",
	 "an address of the container is not there on the target"},
	{'r', "criu/sk-inet.c:1059", "inet: Can't bind inet socket (id 12): Permission denied", "E-CRIU-PORT", NULL},
	{'r', "soccr/soccr.c:529", "Can't connect inet socket back: Network is unreachable", "E-CRIU-ADDR", NULL},
	{'r', "soccr/soccr.c:819", "Can't restore recv queue data (-1), want (0-1448:0:1448): Broken pipe", "E-CRIU-TCP-REPAIR", NULL},
	{'r', "criu/sk-inet.c:1030", "inet: couldn't find ifindex for eth7", "E-CRIU-IFACE",
	 "a socket is bound to interface eth7, which the target does not have"},
	{'r', "criu/sk-packet.c:447", "packet: Can't bind packet socket to eth7: No such device", "E-CRIU-IFACE", NULL},
	{'r', "criu/sockets.c:495", "sockets: Unable to set socket SO_SNDBUFFORCE/SO_RCVBUFFORCE: Operation not permitted", "E-CRIU-SOCKSET", NULL},
	{'r', "criu/sockets.c:474", "sockets: Can't set 1:62 (len 4): Protocol not available", "E-CRIU-SOCKSET",
	 "socket option 1:62 cannot be set on kernel 6.18.5: Protocol not available"},
	{'d', "criu/files-ext.c:98", "Can't dump file 5 of that type [600] (unknown anon_inode:[io_uring])", "E-CRIU-IOURING",
	 "file descriptor 5 is an io_uring ring"},
	{'d', "criu/pie/parasite.c:588", "send_fds failed (-22)", "E-CRIU-IOURING",
	 "a process has a file that the kernel does not pass on: an io_uring ring"},
	{'d', "criu/pie/parasite.c:588", "send_fds failed (-24)", "E-CRIU-FDTYPE", NULL},
	{'d', "criu/proc_parse.c:502", "Unknown shit 600 (anon_inode:[io_uring])", "E-CRIU-IOURING", NULL},
	{'d', "criu/proc_parse.c:663", "Can't handle non-regular mapping on 77's map 7f00aa anon_inode:[io_uring]", "E-CRIU-IOURING", NULL},
	{'d', "criu/files-ext.c:98", "Can't dump file 9 of that type [600] (anon anon_inode:[perf_event])", "E-CRIU-ANONFD",
	 "file descriptor 9 is an anonymous file of kind [perf_event]"},
	{'d', "criu/files-ext.c:98", "Can't dump file 17 of that type [20660] (chr 10:232)", "E-CRIU-DEVICE",
	 "file descriptor 17 is character device 10:232"},
	{'d', "criu/files-ext.c:98", "Can't dump file 17 of that type [20666] (unknown /dev/nvidiactl)", "E-CRIU-DEVICE",
	 "file descriptor 17 is the device /dev/nvidiactl"},
	{'d', "criu/files-ext.c:98", "Can't dump file 4 of that type [60660] (unknown /dev/loop3)", "E-CRIU-DEVICE", NULL},
	{'d', "criu/files-ext.c:98", "Can't dump file 4 of that type [100444] (reg proc/self/mem)", "E-CRIU-FDTYPE", NULL},
	{'d', "criu/files-ext.c:98", "Can't dump file 4 of that type", "E-CRIU-FDTYPE", NULL},
	{'d', "criu/bpfmap.c:262", "CRIU does not currently support dumping BPF map type 27!", "E-CRIU-BPF", "a BPF map of type 27 is open"},
	{'d', "criu/file-lock.c:110", "Some file locks are hold by dumping tasks! You can try --file-locks to dump them.", "E-CRIU-LOCKS", NULL},
	{'d', "criu/file-lock.c:102", "Unresolved lock found pid 31 ino 4711", "E-CRIU-LOCKS", NULL},
	{'r', "criu/file-lock.c:647", "Can not set posix lock!", "E-CRIU-LOCKS", "a posix lock is taken on the target"},
	{'r', "criu/file-lock.c:628", "Can not set flock!", "E-CRIU-LOCKS", NULL},
	{'d', "criu/file-lock.c:467", "Conflicting lease wasn't found", "E-CRIU-LOCKS", NULL},
	{'d', "criu/files-reg.c:1031", "Can't dump ghost file /tmp/big of 104857600 size, increase limit", "E-CRIU-GHOST",
	 "the deleted file /tmp/big is open and has 104857600 bytes"},
	{'d', "criu/files-reg.c:1122", "Can't create link remap for /var/log/a. Use link-remap option.", "E-CRIU-LINKREMAP",
	 "the open file /var/log/a was deleted, but has another name"},
	{'d', "criu/files-reg.c:1159", "Can't link remap to var/log/a: Read-only file system", "E-CRIU-LINKREMAP", NULL},
	{'d', "criu/files-reg.c:1790", "Can't lookup mount=22 for fd=0 path=/dev/pts/2", "E-CRIU-FD-MOUNT",
	 "file descriptor 0 (/dev/pts/2) lies on a mount outside the container"},
	{'d', "criu/files-reg.c:1796", "Open files on overmounted mounts are not supported yet; mount=9 fd=4 path=/data/x", "E-CRIU-OVERMOUNT", NULL},
	{'d', "criu/files-reg.c:1812", "The path [proc/1/x//deleted] is not supported", "E-CRIU-PATH", NULL},
	{'d', "criu/files-reg.c:1444", "Unaccessible path opened 8:41, need 8:77", "E-CRIU-PATH", NULL},
	{'r', "criu/files-reg.c:2353", "Can't open file var/tmp/dev.log on restore: No such file or directory", "E-CRIU-NOFILE",
	 "var/tmp/dev.log: No such file or directory"},
	{'r', "criu/files-reg.c:2267", "Can't open file var/tmp/dev.log: No such file or directory", "E-CRIU-NOFILE", NULL},
	{'r', "criu/files-reg.c:2175", "File usr/lib/libc.so.6 has bad size 1926232 (expect 1922136)", "E-CRIU-FILE-CHANGED",
	 "usr/lib/libc.so.6 has 1926232 bytes on the target and had 1922136"},
	{'r', "criu/files-reg.c:2294", "File usr/bin/app has bad mode 0100644 (expect 0100755)", "E-CRIU-FILE-CHANGED", NULL},
	{'r', "criu/files-reg.c:2153", "File usr/bin/app has bad build-ID", "E-CRIU-FILE-CHANGED", NULL},
	{'r', "criu/files-reg.c:467", "Can't create ghost regfile: Read-only file system", "E-CRIU-GHOST-LINK", NULL},
	{'r', "criu/files-reg.c:2258", "Can't link dev/null.cr.1.ghost -> dev/null: File exists", "E-CRIU-GHOST-LINK",
	 "the deleted file dev/null cannot be made again: File exists"},
	{'d', "criu/fsnotify.c:263", "fsnotify: Can't find suitable path for handle (dev 0x2d ino 0x1133): -2", "E-CRIU-INOTIFY", NULL},
	{'d', "criu/fsnotify.c:284", "fsnotify: \tCan't dump that handle", "E-CRIU-INOTIFY", NULL},
	{'d', "criu/fsnotify.c:258", "fsnotify: Unable to lookup a mount by dev 0x2d", "E-CRIU-INOTIFY", NULL},
	{'r', "criu/fsnotify.c:565", "fsnotify: Can't add watch for 0x4 with 0x1: No such file or directory", "E-CRIU-INOTIFY", NULL},
	{'d', "criu/pipes.c:490", "The packetized mode for pipes is not supported yet", "E-CRIU-PIPE-PACKET", NULL},
	{'d', "criu/aio.c:61", "Ring size is not aligned", "E-CRIU-AIO", NULL},
	{'d', "criu/cr-dump.c:1663", "Failed to check aio rings (pid: 77)", "E-CRIU-AIO", "process 77 has asynchronous I/O under way"},
	{'r', "criu/pie/restorer.c:944", "Ring setup failed with -11", "E-CRIU-AIO", NULL},
	{'d', "criu/tty.c:1830", "tty: Found dangling tty with sid 5 pgid 5 (pts) on peer fd 0.", "E-CRIU-TTY",
	 "file descriptor 0 is a terminal (pts) whose other end is outside the container"},
	{'d', "criu/tty.c:410", "tty: Found slave peer index 3 without correspond master peer", "E-CRIU-TTY", NULL},
	{'d', "criu/tty.c:2281", "tty: ctty inheritance detected sid/pgrp 5, no PTY peer with sid/pgrp needed", "E-CRIU-TTY", NULL},
	{'d', "criu/tty.c:1999", "tty: Unable to find a tty driver (rdev 0x500 dev 0x16)", "E-CRIU-TTY", NULL},
	{'r', "criu/tty.c:725", "tty: Can't open slave tty /dev/pts/3", "E-CRIU-TTY", NULL},
	{'r', "criu/tty.c:1010", "tty: Don't have tty to inherit session from, aborting", "E-CRIU-TTY", NULL},
	{'r', "criu/tty.c:1453", "tty: No task found with sid 77", "E-CRIU-TTY", NULL},
	{'d', "criu/tty.c:2140", "tty: The tty (pts 0x3) queued data overflow 16384 bytes limit", "E-CRIU-TTY-QUEUE", NULL},
	{'d', "criu/pstree.c:304", "The root process 77 is not a session leader. Consider using --shell-job option", "E-CRIU-SESSION", NULL},
	{'d', "criu/cr-dump.c:1681", "A session leader of 79(3) is outside of its pid namespace", "E-CRIU-SESSION", NULL},
	{'r', "criu/pstree.c:801", "Can't find a session leader for 77", "E-CRIU-SESSION", NULL},
	{'d', "criu/mount.c:381", "mnt: No parent found for mountpoint 412 (@./)", "E-CRIU-MNT-ROOT", NULL},
	{'d', "criu/mount.c:390", "mnt: No root found for tree", "E-CRIU-MNT-ROOT", NULL},
	{'d', "criu/mount.c:1092", "mnt: Mount 412 ./data (master_id: 3 shared_id: 0) has unreachable sharing. Try --enable-external-masters.", "E-CRIU-MNT-SHARING", NULL},
	{'d', "criu/mount.c:753", "mnt: 412:./data doesn't have a proper root mount", "E-CRIU-MNT-EXT", NULL},
	{'r', "criu/mount.c:3120", "mnt: Mount 412:./data is autodetected external mount. Try \"--ext-mount-map auto\" to allow them.", "E-CRIU-MNT-EXT", NULL},
	{'r', "criu/mount.c:3141", "mnt: No mapping for 412:./data mountpoint", "E-CRIU-MNT-EXT", NULL},
	{'d', "criu/mount.c:724", "mnt: FS mnt ./x dev 0x34 root / unsupported id 31", "E-CRIU-FS", "the file system at ./x is of a kind that criu 4.1.1 does not know"},
	{'d', "criu/filesystems.c:552", "./mnt/sshfs is a fuse mount but not external", "E-CRIU-FS", NULL},
	{'d', "criu/mount.c:4048", "mnt: Nested mount namespaces are not supported without mntns-compat", "E-CRIU-NESTED-NS", NULL},
	{'d', "criu/namespaces.c:739", "Can't dump nested time namespace for 77", "E-CRIU-TIMENS", NULL},
	{'d', "criu/namespaces.c:460", "Can't dump nested uts namespace for 77", "E-CRIU-NESTED-NS", "process 77 has made a uts namespace of its own"},
	{'d', "criu/cr-check.c:1290", "Time namespaces are not supported", "E-CRIU-TIMENS", NULL},
	{'d', "criu/namespaces.c:997", "One or more namespaces doesn't belong to the target user namespace", "E-CRIU-USERNS", NULL},
	{'d', "criu/mount.c:3876", "mnt: The root task has another root than mntns: /srv", "E-CRIU-ROOT", NULL},
	{'d', "criu/cr-dump.c:477", "Task 77 with SysVIPC shmem map @7f0000 doesn't live in IPC ns", "E-CRIU-SYSV", NULL},
	{'r', "criu/mount.c:2773", "mnt: Unable to mount /srv/nfs /tmp/.criu.mntns.X/9 (id=412): No such device", "E-CRIU-MOUNT", NULL},
	{'r', "criu/mount.c:2301", "mnt: Can't mount at /tmp/.criu.mntns.X/9: Operation not permitted", "E-CRIU-MOUNT", NULL},
	{'r', "criu/mount.c:2511", "mnt: Can't bind-mount at /tmp/.criu.mntns.X/9/data: No such file or directory", "E-CRIU-MOUNT",
	 "nothing can be bound to /tmp/.criu.mntns.X/9/data: No such file or directory"},
	{'r', "criu/mount.c:2350", "mnt: Can't restore ext mount (-2)", "E-CRIU-MOUNT", NULL},
	{'r', "criu/mount.c:1996", "mnt: A few mount points can't be mounted", "E-CRIU-MOUNT", NULL},
	{'d', "criu/vdso.c:401", "vdso: Unexpected rt vDSO area bounds", "E-CRIU-VDSO", "criu 4.1.1 does not know the vDSO of kernel 6.18.5"},
	{'d', "criu/vdso.c:406", "vdso: Can't find rt vDSO", "E-CRIU-VDSO", NULL},
	{'d', "criu/vdso.c:364", "vdso: VVAR and VVAR_VCLOCK entries are not subsequent", "E-CRIU-VDSO", NULL},
	{'d', "criu/vdso.c:343", "vdso: Can't find vDSO/VVAR bounds", "E-CRIU-VDSO", NULL},
	{'r', "criu/pie/parasite-vdso.c:309", "vdso: vDSO isn't provided by kernel, but exists in images", "E-CRIU-VDSO", NULL},
	{'d', "criu/seize.c:635", "Unable to freeze cgroup /sys/fs/cgroup/web (100 x 100ms attempts, timeout: 10s)", "E-CRIU-FREEZE", "cgroup /sys/fs/cgroup/web does not freeze"},
	{'d', "criu/seize.c:125", "Unknown freezer state: SELF", "E-CRIU-FREEZE", NULL},
	{'d', "compel/src/lib/infect.c:259", "The criu itself is within dumped tree.", "E-CRIU-INSIDE", NULL},
	{'d', "compel/src/lib/infect.c:261", "Unseizable non-zombie 77 found, state t, err -1/1", "E-CRIU-PTRACE", "process 77 (state t) cannot be traced: error -1/1"},
	{'r', "criu/cr-restore.c:1736", "Can't attach to 77: Operation not permitted", "E-CRIU-PTRACE", NULL},
	{'d', "criu/seize.c:882", "Zombies with threads are not supported", "E-CRIU-ZOMBIE", NULL},
	{'d', "criu/seize.c:939", "Zombie thread not supported", "E-CRIU-ZOMBIE", NULL},
	{'d', "criu/seize.c:952", "Individually stopped threads not supported", "E-CRIU-STOPPED", NULL},
	{'d', "criu/cr-dump.c:1403", "A root task is dead", "E-CRIU-DEAD", NULL},
	{'d', "compel/arch/x86/src/lib/infect.c:612", "Can't dump task 77 running in 32-bit mode", "E-CRIU-32BIT", "process 77 is a 32-bit one"},
	{'d', "compel/arch/x86/src/lib/infect.c:617", "Can't dump task 77 with LDT descriptors", "E-CRIU-32BIT", NULL},
	{'r', "criu/cr-check.c:1029", "CRIU was built without CONFIG_COMPAT - can't C/R compatible tasks", "E-CRIU-32BIT", NULL},
	{'d', "criu/cr-dump.c:227", "77 has rseq but kernel lacks get_rseq_conf feature", "E-CRIU-RSEQ", "kernel 6.18.5 does not tell the rseq state of process 77"},
	{'r', "criu/cr-restore.c:2636", "rseq: can't restore as kernel doesn't support it", "E-CRIU-RSEQ", NULL},
	{'d', "criu/seccomp.c:149", "seccomp: Can't fetch filter on tid_real 77 i 0: Operation not permitted", "E-CRIU-SECCOMP", NULL},
	{'d', "criu/seccomp.c:278", "seccomp: Can't collect filter on leader tid_real 77", "E-CRIU-SECCOMP", NULL},
	{'r', "criu/pie/restorer.c:546", "seccomp: SECCOMP_SET_MODE_FILTER returned -22 on tid 77", "E-CRIU-SECCOMP",
	 "thread 77 cannot take its seccomp filters: SECCOMP_SET_MODE_FILTER gave -22"},
	{'d', "criu/arch/x86/shstk.c:126", "Cannot unlock CET for 77 task: Operation not permitted", "E-CRIU-SHSTK", NULL},
	{'d', "criu/arch/x86/kerndat.c:275", "Cannot get shadow stack status: Invalid argument", "E-CRIU-SHSTK", NULL},
	{'d', "criu/proc_parse.c:614", "PID 77 has uprobes vma. Consider using --allow-uprobes.", "E-CRIU-UPROBES", NULL},
	{'d', "criu/proc_parse.c:738", "Can't open 77's mapfile link 7f0000: Operation not permitted", "E-CRIU-MAPFILES",
	 "a mapping of process 77 cannot be opened: Operation not permitted"},
	{'d', "criu/proc_parse.c:509", "Can't open map_files: Permission denied", "E-CRIU-MAPFILES", NULL},
	{'d', "criu/proc_parse.c:760", "Unsupported mapping found 00007f00-00007f10", "E-CRIU-MAPPING", NULL},
	{'d', "criu/proc_parse.c:663", "Can't handle non-regular mapping on 77's map 7f0000", "E-CRIU-MAPPING", NULL},
	{'d', "criu/proc_parse.c:334", "Strange file mapped at 7f0000 [/memfd:x]:1.0.77", "E-CRIU-MAPPING", NULL},
	{'d', "criu/config.c:1130", "Tracking memory is not available. Consider omitting --track-mem option.", "E-CRIU-DIRTY", "kernel 6.18.5 cannot track changed pages"},
	{'d', "criu/lsm.c:67", "failed to collect AA namespace", "E-CRIU-LSM", NULL},
	{'d', "criu/lsm.c:109", "getting selinux profile failed: Invalid argument", "E-CRIU-LSM", NULL},
	{'r', "criu/lsm.c:406", "apparmor LSM specified but apparmor not supported by kernel", "E-CRIU-LSM", NULL},
	{'r', "criu/lsm.c:413", "selinux LSM specified but selinux not supported by kernel", "E-CRIU-LSM", NULL},
	{'r', "criu/pie/restorer.c:196", "can't write lsm profile -22", "E-CRIU-LSM", NULL},
	{'d', "criu/kerndat.c:2030", "kerndat_uffd failed when initializing kerndat.", "E-CRIU-KERNDAT", "criu 4.1.1 cannot probe kernel 6.18.5: kerndat_uffd"},
	{'r', "criu/arch/x86/cpu.c:247", "cpu: FPU feature required by image is not supported on host (fpu:0 fxsr:0 osxsave:0 xsaves:1)", "E-CRIU-CPU", NULL},
	{'r', "criu/arch/x86/cpu.c:223", "cpu: CPU instruction capabilities do not match run time", "E-CRIU-CPU", NULL},
	{'r', "criu/arch/x86/cpu.c:297", "cpu: CPU capabilities do not match run time", "E-CRIU-CPU", NULL},
	{'r', "criu/cr-restore.c:854", "Core march mismatch 3", "E-CRIU-CPU", NULL},
	{'r', "criu/arch/x86/cpu.c:262", "cpu: CPU xfeatures has unsupported bits (0xe0)", "E-CRIU-XSAVE", "the target's CPU lacks the register sets 0xe0"},
	{'r', "criu/arch/x86/cpu.c:274", "cpu: CPU xsave size mismatch (2696/832)", "E-CRIU-XSAVE",
	 "the register area has 2696 bytes in the image and 832 on the target (size)"},
	{'r', "criu/arch/x86/crtools.c:381", "x86: Corruption in zmm area (expected 512 but 0 obtained)", "E-CRIU-XSAVE", NULL},
	{'r', "criu/image.c:89", "Not supported images version 3", "E-CRIU-IMG-VERSION", "the image has version 3, which criu 4.1.1 cannot read"},
	{'r', "criu/image.c:52", "Too old image, no longer supported", "E-CRIU-IMG-VERSION", NULL},
	{'r', "criu/image.c:563", "Magic doesn't match for pagemap-1.img", "E-CRIU-IMG-CORRUPT", "pagemap-1.img is no image of this kind"},
	{'r', "criu/image.c:871", "Img trimmed 10/24", "E-CRIU-IMG-CORRUPT", NULL},
	{'r', "criu/image.c:887", "Unexpected EOF", "E-CRIU-IMG-CORRUPT", NULL},
	{'r', "criu/cr-restore.c:2492", "Image corrupted on pid 1", "E-CRIU-IMG-CORRUPT", NULL},
	{'r', "criu/image.c:198", "Missing required plugin: cuda_plugin", "E-CRIU-PLUGIN", "the plugin cuda_plugin is not there"},
	{'r', "criu/cr-restore.c:1230", "Can't fork for 77: File exists", "E-CRIU-PID", "process id 77 is taken on the target"},
	{'r', "criu/cr-restore.c:1194", "Setting PID failed", "E-CRIU-PID", NULL},
	{'r', "criu/cr-restore.c:1539", "Pid 80 do not match expected 77", "E-CRIU-PID", NULL},
	{'r', "criu/cr-restore.c:2035", "This process tree can only be restored in a new pid namespace.", "E-CRIU-PID", NULL},
	{'r', "criu/cgroup.c:1140", "cg: Can't move 77 into memory//web/tasks (-1/-1): No such file or directory", "E-CRIU-CGROUP", NULL},
	{'r', "criu/cgroup.c:1805", "cg: Can't make cgroup dir memory/web: Read-only file system", "E-CRIU-CGROUP", "cgroup memory/web cannot be made: Read-only file system"},
	{'r', "criu/cgroup.c:2048", "cg: cgroupd: Can't move thread 77 into memory//web", "E-CRIU-CGROUP", NULL},
	{'r', "criu/cgroup.c:1800", "cg: Cgroup dir memory/web doesn't exist", "E-CRIU-CGROUP", NULL},
	{'r', "criu/cgroup.c:1490", "cg: Failed writing 0-63 to cpuset/web/cpuset.cpus: Invalid argument", "E-CRIU-CGROUP",
	 "cgroup setting cpuset/web/cpuset.cpus does not take 0-63: Invalid argument"},
	{'d', "criu/cgroup.c:2214", "cg: CG paths mismatch: /a /b", "E-CRIU-CGROUP", NULL},
	{'r', "criu/cr-restore.c:614", "Setting loginuid for 77 task failed", "E-CRIU-LOGINUID", NULL},
	{'r', "criu/pie/restorer.c:1883", "Can't restore 7f0000 mapping with fffffffffffffff4", "E-CRIU-MEMORY", NULL},
	{'r', "criu/pie/restorer.c:1192", "Unable to remap 7f00 -> 7f10", "E-CRIU-MEMORY", NULL},
	{'r', "criu/pie/restorer.c:2083", "sys_prctl(PR_SET_MM, PR_SET_MM_MAP) failed with -1", "E-CRIU-MEMORY", NULL},
	{'r', "criu/cr-restore.c:3232", "No suitable area for task_restore bootstrap (512K)", "E-CRIU-MEMORY", NULL},
	{'d', "criu/net.c:3332", "net: Locking network failed: iptables-restore returned 2. This may be connected to disabled CONFIG_NETFILTER_XT_MARK kernel build config option.", "E-CRIU-NETLOCK", NULL},
	{'d', "criu/net.c:3311", "net: CRIU was built without libnftables support", "E-CRIU-NETLOCK", NULL},
	{'r', "criu/net.c:2618", "net: nft command error:", "E-CRIU-NETLOCK", NULL},
	{'r', "criu/net.c:2540", "net: Can't restore iptables dump - no legacy version present", "E-CRIU-NETLOCK", NULL},
	{'r', "criu/net.c:1969", "net: IP tool failed on rule flush table local", "E-CRIU-IPTOOL", "ip failed: rule flush table local"},
	{'r', "criu/util.c:642", "execvp(\"iptables-restore\", ...) failed: No such file or directory", "E-CRIU-IPTOOL", "iptables-restore cannot be run: No such file or directory"},
	{'r', "criu/action-scripts.c:94", "Script /usr/libexec/hook exited with 256", "E-CRIU-SCRIPT", "/usr/libexec/hook exited with 256"},
	{'r', "criu/action-scripts.c:156", "One of more action scripts failed", "E-CRIU-SCRIPT", NULL},
	{'d', "criu/cr-dump.c:1808", "Timeout reached. Try to interrupt: 1", "E-CRIU-TIMEOUT", NULL},
	{'d', "", "exec: \"criu\": executable file not found in $PATH", "E-CRIU-NOCRIU", "criu is not in the runtime's PATH"},
	{'d', "", "could not load `libcriu.so.2`: cannot open shared object file", "E-CRIU-NOCRIU", NULL},
	{'r', "", "checkpoint/restore support not available", "E-CRIU-NOCRIU", NULL},
	{'d', "", "CRIU version 20200 must be 30000 or higher", "E-CRIU-OLDCRIU", "criu 20200, and the runtime wants 30000"},
	{'d', "", "CRIU version check failed: version 30400", "E-CRIU-OLDCRIU", NULL},
	{'r', "", "container with given ID already exists", "E-CRIU-EXISTS", NULL},
	{'r', "", "container `web` already exists", "E-CRIU-EXISTS", NULL},
	{'d', "criu/image.c:845", "Can't write img file: No space left on device", "E-CRIU-NOSPACE", "Can't write img file: no space left"},
	{'d', "criu/image.c:845", "Can't write img file: Disk quota exceeded", "E-CRIU-NOSPACE", NULL},
	{'r', "criu/mem.c:812", "Unable to map ANON_VMA: Cannot allocate memory", "E-CRIU-NOMEM", NULL},
	{'r', "criu/namespaces.c:258", "Can't setns 77/mnt: Operation not permitted", "E-CRIU-PERM", "Can't setns 77/mnt: not permitted"},
	{'d', "criu/util.c:220", "Can't open /proc/77/ns: Permission denied", "E-CRIU-PERM", NULL},
	{'r', "criu/cr-restore.c:1262", "77 killed by signal 11: Segmentation fault", "E-CRIU-CRASHED", NULL},
	{'r', "criu/cr-restore.c:1262", "77 killed by signal 9: Killed", "E-CRIU-CRASHED", NULL},
	{'d', "criu/cr-dump.c:1627", "Can't infect (pid: 77) with parasite", "E-CRIU-PARASITE", NULL},
	{'d', "compel/src/lib/infect-rpc.c:68", "Command 13 for daemon failed with -1", "E-CRIU-PARASITE", NULL},
	{'d', "criu/brandnew.c:7", "Something that nobody has seen yet", "E-CRIU-UNKNOWN",
	 "criu 4.1.1 stopped at brandnew.c:7: Something that nobody has seen yet"},
};
/* clang-format on */

static void classify(const struct example *e, struct criulog *ret)
{
	enum criulog_phase phase = e->phase == 'd' ? CRIULOG_dump : CRIULOG_restore;
	char log[1024] = HEAD;

	if (!e->place[0]) {
		criulog_classify(phase, HEAD, e->text, ret);
		return;
	}
	str_fmt(log, sizeof(log),
		HEAD "(00.011000)      1: Error (%s): %s\n"
		     "(00.012000) Error (criu/cr-x.c:2128): Dumping FAILED.\n",
		e->place, e->text);
	criulog_classify(phase, log, "criu failed: type NOTIFY errno 0", ret);
}

static void test_examples(void **state)
{
	struct criulog found;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *e = &examples[i];

		classify(e, &found);
		if (!str_eq(code_row(found.code)->code, e->code))
			print_error("%s\n", e->text);
		assert_string_equal(code_row(found.code)->code, e->code);
		assert_non_null(found.why);
		assert_null(strchr(found.why, '$'));
		assert_null(strchr(found.why, '\n'));
		if (e->why)
			assert_string_equal(found.why, e->why);
	}
}

/* A pattern that no example reaches is dead, or has none. */
static void test_each_pattern_has_an_example(void **state)
{
	bool seen[512] = {0}, codes[CODE_COUNT] = {0};
	enum code_id code;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		int row = criulog_match(examples[i].phase == 'd' ? CRIULOG_dump : CRIULOG_restore,
					examples[i].text);

		if (row >= 0)
			seen[row] = true;
	}
	codes[CODE_criu_unknown] = true;
	for (size_t i = 0; criulog_pattern(i, &code); i++, n++) {
		if (code == CODE_COUNT)
			continue; /* a line that says nothing */
		if (!seen[i])
			print_error("no example: %s\n", criulog_pattern(i, &code));
		assert_true(seen[i]);
		codes[code] = true;
	}
	assert_true(n > 150);
	for (enum code_id id = 0; id < CODE_COUNT; id++)
		assert_int_equal(codes[id], code_row(id)->origin == ORIGIN_log);
}

/* What `drover explain` shows as an example is what the classifier says of one of these lines. */
static void test_table_shows_examples(void **state)
{
	bool shown[CODE_COUNT] = {0};
	struct criulog found;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		classify(&examples[i], &found);
		shown[found.code] |= str_eq(found.why, code_row(found.code)->example);
	}
	for (enum code_id id = 0; id < CODE_COUNT; id++) {
		const struct code_row *row = code_row(id);

		if (row->origin != ORIGIN_log)
			continue;
		n++;
		if (!shown[id])
			print_error("%s: no line says \"%s\"\n", row->code, row->example);
		assert_true(shown[id]);
		assert_true(str_starts(row->code, "E-CRIU-"));
		assert_true(strlen(row->code) <= 31 && strlen(row->fix) <= 255);
		assert_ptr_equal(code_find(row->code), row);
	}
	assert_true(n >= 40);
}

/* A cause tells more than the errno of another line, that more than an effect; of two causes the
 * first counts; what good runs print too says nothing. */
static void test_most_telling(void **state)
{
	struct criulog found;

	(void)state;
	criulog_classify(
		CRIULOG_restore,
		HEAD
		"(00.001) Error (criu/rlimit.c:30): rlimit: Can't setup RLIMIT_NOFILE for self: "
		"Operation not permitted\n"
		"(00.100)     18: Error (criu/files-reg.c:2143): Can't open file data/a.log on "
		"restore: No such file or directory\n"
		"(00.101)     18: Error (criu/files-reg.c:2086): Can't open file data/b.log: No "
		"such file or directory\n"
		"(00.102)     18: Error (criu/files.c:1200): Unable to open fd=3 id=0x1e\n"
		"(00.103) Error (criu/cr-restore.c:1262): 18 killed by signal 9: Killed\n"
		"(00.104) Error (criu/cr-restore.c:2324): Restoring FAILED.\n",
		"criu failed: type NOTIFY errno 0", &found);
	assert_int_equal(found.code, CODE_criu_nofile);
	assert_string_equal(found.why, "data/a.log: No such file or directory");
	assert_non_null(strstr(found.last, "files.c:1200: Unable to open fd=3 id=0x1e\n"));
	assert_non_null(strstr(found.last, "cr-restore.c:2324: Restoring FAILED.\n"));
	criulog_classify(CRIULOG_dump,
			 HEAD "(00.1) Error (criu/cr-dump.c:1627): Can't infect (pid: 7) with "
			      "parasite\n"
			      "(00.1) Error (criu/x.c:1): Can't open y: Permission denied\n",
			 NULL, &found);
	assert_int_equal(found.code, CODE_criu_noperm);
}

/* The phase keeps a restore's words out of a dump. */
static void test_phase(void **state)
{
	(void)state;
	assert_int_equal(criulog_match(CRIULOG_dump, "Missing required plugin: x"), -1);
	assert_true(criulog_match(CRIULOG_restore, "Missing required plugin: x") >= 0);
	assert_true(criulog_match(CRIULOG_any, "Missing required plugin: x") >= 0);
}

static void test_nothing_known(void **state)
{
	struct criulog found;

	(void)state;
	criulog_classify(CRIULOG_dump, NULL, NULL, &found);
	assert_int_equal(found.code, CODE_criu_unknown);
	assert_string_equal(found.why, "neither criu nor the runtime says why");
	criulog_classify(CRIULOG_dump, "", "first\nthe runtime's last word\n\n", &found);
	assert_string_equal(found.why, "the runtime's last word");
	assert_string_equal(found.last, "");
	criulog_classify(CRIULOG_dump,
			 "(00.1) Error (criu/rlimit.c:30): rlimit: Can't setup RLIMIT_NOFILE\n",
			 "it broke", &found);
	assert_string_equal(found.why, "it broke");
}

/* Hostile or damaged logs: no end of line, control characters, endless lines and many errors. */
static void test_bounds(void **state)
{
	static char log[64 * 1024];
	struct criulog found;
	size_t used;

	(void)state;
	criulog_classify(CRIULOG_dump, "Error (", NULL, &found);
	criulog_classify(CRIULOG_dump, "Error (): ", NULL, &found);
	criulog_classify(CRIULOG_dump, "(0) Error (criu/x.c:1): \033[31mred\tText", NULL, &found);
	assert_null(strchr(found.why, '\033'));
	assert_null(strchr(found.last, '\033'));
	for (used = 0; used + 200 < sizeof(log); used = strlen(log))
		str_fmt(log + used, sizeof(log) - used, "(0) Error (criu/a.c:%zu): problem %zu\n",
			used, used);
	criulog_classify(CRIULOG_dump, log, NULL, &found);
	used = 0;
	for (const char *at = found.last; *at; at++)
		used += *at == '\n';
	assert_int_equal(used, CRIULOG_LINES);
	assert_string_equal(strrchr(log, ' '), strrchr(found.last, ' '));
	memset(log, 'x', sizeof(log) - 1);
	memcpy(log, "Error (criu/a.c:1): Can't open file ", 36);
	criulog_classify(CRIULOG_restore, log, NULL, &found);
	assert_true(strlen(found.why) < sizeof(found.why));
	memset(log, '*', sizeof(log) - 1);
	assert_int_equal(criulog_match(CRIULOG_any, log), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_each_pattern_has_an_example),
		cmocka_unit_test(test_table_shows_examples),
		cmocka_unit_test(test_most_telling),
		cmocka_unit_test(test_phase),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
