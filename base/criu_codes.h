/* SPDX-License-Identifier: MPL-2.0
 *
 * Rows of base/code_table.h (the columns are described there) for what stops CRIU once a dump or a
 * restore has begun. runtime/criulog.c has the patterns that lead to them; the examples are what it
 * says of the lines in tests/unit/test_criulog.c. A fix has at most 255 bytes. */
#ifndef DROVER_BASE_CRIU_CODES_H
#define DROVER_BASE_CRIU_CODES_H

/* clang-format off */
/* the dump: what the container holds, and the kernel under it */
#define CODES_CRIU_DUMP(X) \
	X(criu_sockopt, "E-CRIU-SOCKOPT", log, src, live, "", \
	  "this CRIU asks the kernel for a socket option that it does not have", \
	  "install criu 4.2 or later: older ones cannot dump inet and packet sockets on kernel 6.16 and later", \
	  "criu 4.1.1 cannot read socket option 1:16 on kernel 6.18.5", "CRIU issue 2705.") \
	X(criu_vdso, "E-CRIU-VDSO", log, src, live, "", \
	  "this CRIU does not know the kernel's vDSO", \
	  "install criu 4.1 or later: kernel 6.13 has changed the vDSO", \
	  "criu 4.1.1 does not know the vDSO of kernel 6.18.5", "CRIU issue 2532.") \
	X(criu_iouring, "E-CRIU-IOURING", log, ct, live, "", \
	  "a process has an io_uring ring, which CRIU cannot dump", \
	  "run it with io_uring off (kernel.io_uring_disabled, or the program's own setting), or move it cold", \
	  "file descriptor 5 is an io_uring ring", "CRIU issue 2131.") \
	X(criu_anonfd, "E-CRIU-ANONFD", log, ct, live, "", \
	  "a process has an anonymous file of a kind that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold", \
	  "file descriptor 9 is an anonymous file of kind [perf_event]", "") \
	X(criu_device, "E-CRIU-DEVICE", log, ct, live, "", \
	  "a process has a device open that CRIU cannot dump", \
	  "have it close the device before the move; a GPU needs CRIU's plugin for it", \
	  "file descriptor 17 is character device 10:232", "drover check names devices as E-DEV.") \
	X(criu_fdtype, "E-CRIU-FDTYPE", log, ct, live, "", \
	  "a process has a file of a kind that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold", \
	  "file descriptor 4 (mode 100444) is reg proc/self/mem, which criu 4.1.1 cannot dump", "") \
	X(criu_mptcp, "E-CRIU-MPTCP", log, ct, live, "", \
	  "a socket speaks a protocol that CRIU cannot dump, MPTCP most likely", \
	  "turn MPTCP off: net.mptcp.enabled=0 in its namespace, or GODEBUG=multipathtcp=0 for a Go program", \
	  "socket 5e1f speaks protocol 262, which criu 4.1.1 cannot dump", "") \
	X(criu_socket, "E-CRIU-SOCKET", log, ct, live, "", \
	  "a socket is of a type or in a state that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold", \
	  "a socket of address family 40, which criu 4.1.1 cannot dump", "") \
	X(criu_tcp, "E-CRIU-TCP", log, ct, live, "", \
	  "a TCP connection was open and CRIU was not told to keep it", \
	  "look for tcp-close in /etc/criu/*.conf and take it out: drover always asks for tcp-established", \
	  "a TCP connection is open, and tcp-established was turned off", "") \
	X(criu_tcpflight, "E-CRIU-TCP-INFLIGHT", log, ct, live, "", \
	  "a connection had not been accepted yet when the container was frozen", \
	  "move it again; or put skip-in-flight into /etc/criu/runc.conf and /etc/criu/crun.conf", \
	  "listening socket 6a2f has a connection that nobody has accepted", "") \
	X(criu_repair, "E-CRIU-TCP-REPAIR", log, ct, live, "", \
	  "the kernel would not take or give a TCP connection's state", \
	  "see that criu has CAP_NET_ADMIN, and that no firewall lock of another move is left in the namespace", \
	  "a TCP connection cannot be put into repair mode: Operation not permitted", "") \
	X(criu_cork, "E-CRIU-UDP-CORK", log, ct, live, "", \
	  "a datagram was half written when the container was frozen", \
	  "move it again", \
	  "datagram socket 3f2 is corked", "") \
	X(criu_extunix, "E-CRIU-EXT-UNIX", log, ct, live, "", \
	  "a unix socket's other end is outside the container", \
	  "close its unix sockets to the outside first (a mounted docker.sock or log socket, most often)", \
	  "a unix socket is connected to a process outside the container", "drover check names such sockets as E-EXT-UNIX; this is what CRIU says when that was skipped.") \
	X(criu_unixflight, "E-CRIU-UNIX-INFLIGHT", log, ct, live, "", \
	  "a unix connection was being made when the container was frozen", \
	  "move it again", \
	  "a unix connection is being made on non-listening socket 7731", "") \
	X(criu_unixpeer, "E-CRIU-UNIX-PEER", log, ct, live, "", \
	  "a unix socket's peer cannot be found", \
	  "move it again; if it stays, restart the process that made the socket", \
	  "unix socket 1201 has the peer 1202, which is not there", "") \
	X(criu_scm, "E-CRIU-SCM", log, ct, live, "", \
	  "a control message waits in a socket's queue", \
	  "move it again", \
	  "a control message waits in a socket's queue", "") \
	X(criu_netlink, "E-CRIU-NETLINK", log, ct, live, "", \
	  "a netlink socket is in a state that CRIU cannot dump", \
	  "move it again; if it stays, stop the process that listens on netlink first", \
	  "a netlink socket has unread messages", "") \
	X(criu_packet, "E-CRIU-PACKET", log, ct, live, "", \
	  "a packet socket is in a state that CRIU cannot dump", \
	  "stop the capture (tcpdump, dhclient) in the container first", \
	  "a packet socket has several multicast memberships", "") \
	X(criu_netns, "E-CRIU-NETNS", log, ct, live, "", \
	  "a socket belongs to a network namespace outside the container", \
	  "have the process close that socket, or move those that share the namespace together, cold", \
	  "a socket belongs to a network namespace outside the container", "") \
	X(criu_netdev, "E-CRIU-NETDEV", log, ct, live, "", \
	  "the container's namespace has a network device that CRIU cannot handle", \
	  "remove the device, or give the container a namespace by path so that drover carries its network", \
	  "network device 3 is of kind wireguard, which criu 4.1.1 cannot dump", "") \
	X(criu_tty, "E-CRIU-TTY", log, ct, live, "", \
	  "a process has a terminal whose other end is outside the container", \
	  "start it with \"terminal\": false and its stdio on /dev/null or pipes", \
	  "file descriptor 0 is a terminal (pts) whose other end is outside the container", "") \
	X(criu_ttyqueue, "E-CRIU-TTY-QUEUE", log, ct, live, "", \
	  "more data waits in a terminal than CRIU can carry", \
	  "move it again when the terminal has been read", \
	  "more than 16384 bytes wait in a terminal", "") \
	X(criu_session, "E-CRIU-SESSION", log, ct, live, "", \
	  "a process belongs to a session whose leader is outside the container", \
	  "start the container detached: its first process must lead its own session", \
	  "process 77 does not lead its session", "") \
	X(criu_locks, "E-CRIU-LOCKS", log, ct, live, "", \
	  "a file lock cannot be carried", \
	  "see that nobody outside the container holds or waits for a lock on the same file", \
	  "a posix lock is taken on the target", "") \
	X(criu_ghost, "E-CRIU-GHOST", log, ct, live, "", \
	  "a deleted file is open and larger than CRIU will carry", \
	  "have the process close or truncate it, or raise ghost-limit in /etc/criu/runc.conf and crun.conf", \
	  "the deleted file /tmp/big is open and has 104857600 bytes", "") \
	X(criu_linkremap, "E-CRIU-LINKREMAP", log, ct, live, "", \
	  "an open file was deleted, and another name of it still exists", \
	  "have the process open it anew, or put link-remap into /etc/criu/runc.conf and crun.conf", \
	  "the open file /var/log/a was deleted, but has another name", "") \
	X(criu_fdmount, "E-CRIU-FD-MOUNT", log, ct, live, "", \
	  "an open file lies on a mount that the container does not see", \
	  "start the container with stdio on /dev/null or pipes; files opened before the start stay outside", \
	  "file descriptor 0 (/dev/pts/2) lies on a mount outside the container", "") \
	X(criu_overmount, "E-CRIU-OVERMOUNT", log, ct, live, "", \
	  "an open file lies under a later mount", \
	  "take the upper mount away, or have the process close the file", \
	  "file descriptor 4 (/data/x) lies under a later mount", "") \
	X(criu_path, "E-CRIU-PATH", log, ct, live, "", \
	  "the name of an open file leads to another file now", \
	  "have the process open the file anew under its present name", \
	  "an open file has the name proc/1/x//deleted, which criu 4.1.1 cannot keep", "") \
	X(criu_mntroot, "E-CRIU-MNT-ROOT", log, ct, live, "", \
	  "CRIU does not see the mount that the container's tree hangs on", \
	  "run drover-worker in the host's own root, not in a chroot, and keep container storage off an overlay", \
	  "mount 412 at ./ has a parent that criu does not see", "") \
	X(criu_mntext, "E-CRIU-MNT-EXT", log, ct, live, "", \
	  "a mount comes from outside the container and is not named in its config", \
	  "put the mount into config.json's mounts, or unmount it in the container", \
	  "mount mnt: 412:./data comes from outside the container", "") \
	X(criu_mntshare, "E-CRIU-MNT-SHARING", log, ct, live, "", \
	  "a mount shares propagation with one outside the container", \
	  "mount it private or slave: \"rprivate\" in config.json's mount options and rootfsPropagation", \
	  "a mount shares propagation with one outside the container", "") \
	X(criu_fs, "E-CRIU-FS", log, ct, live, "", \
	  "a file system in the container is of a kind that CRIU does not know", \
	  "unmount it in the container, or mount it from config.json as a bind", \
	  "the file system at ./x is of a kind that criu 4.1.1 does not know", "") \
	X(criu_nestedns, "E-CRIU-NESTED-NS", log, ct, live, "", \
	  "a process in the container made a namespace of its own", \
	  "containers within the container cannot move with it: stop them, or move them by themselves", \
	  "process 77 has made a uts namespace of its own", "") \
	X(criu_userns, "E-CRIU-USERNS", log, ct, live, "", \
	  "the container's user namespace does not own its other namespaces", \
	  "start it with all its namespaces made together with the user namespace", \
	  "a namespace of the container is owned by another user namespace", "") \
	X(criu_root, "E-CRIU-ROOT", log, ct, live, "", \
	  "the first process has another root than its mount namespace", \
	  "start it without chroot: the runtime's pivot_root is what CRIU expects", \
	  "the first process has the root /srv", "") \
	X(criu_sysv, "E-CRIU-SYSV", log, ct, live, "", \
	  "it uses System V memory and has no IPC namespace of its own", \
	  "add an ipc namespace to config.json", \
	  "System V memory at 7f0000 without an IPC namespace", "") \
	X(criu_freeze, "E-CRIU-FREEZE", log, src, live, "", \
	  "the container's cgroup does not freeze", \
	  "look for a task in state D (a dead NFS mount, most often) and try again when it is gone", \
	  "cgroup /sys/fs/cgroup/web does not freeze", "") \
	X(criu_ptrace, "E-CRIU-PTRACE", log, ct, live, "", \
	  "a process cannot be traced: something else traces it, or tracing is forbidden", \
	  "detach strace, gdb or the profiler from it; see kernel.yama.ptrace_scope and the host's LSM", \
	  "process 77 (state t) cannot be traced: error -1/1", "") \
	X(criu_inside, "E-CRIU-INSIDE", log, ct, live, "", \
	  "CRIU itself would be dumped", \
	  "run drover-worker outside the container that it moves", \
	  "criu is a process of the container that it should dump", "") \
	X(criu_zombie, "E-CRIU-ZOMBIE", log, ct, live, "", \
	  "a process was dying, thread by thread, when it was frozen", \
	  "move it again", \
	  "a process is dying and has threads left", "") \
	X(criu_stopped, "E-CRIU-STOPPED", log, ct, live, "", \
	  "a single thread of a process is stopped", \
	  "continue the thread (SIGCONT), or detach its debugger", \
	  "a single thread of a process is stopped", "") \
	X(criu_dead, "E-CRIU-DEAD", log, ct, live, "", \
	  "the container's first process had ended", \
	  "see why it ended: there is nothing left to move", \
	  "the container's first process has ended", "") \
	X(criu_bits32, "E-CRIU-32BIT", log, ct, live, "", \
	  "a 32-bit process, and this CRIU or kernel cannot carry those", \
	  "use a CRIU built with compat support, or a 64-bit program", \
	  "process 77 is a 32-bit one", "") \
	X(criu_rseq, "E-CRIU-RSEQ", log, src, live, "", \
	  "a process uses rseq, and the kernel cannot tell or take its state", \
	  "move between hosts with kernel 5.13 or later", \
	  "kernel 6.18.5 does not tell the rseq state of process 77", "") \
	X(criu_seccomp, "E-CRIU-SECCOMP", log, ct, live, "", \
	  "a process has seccomp filters that the kernel does not give or take", \
	  "see that criu has CAP_SYS_ADMIN and that both kernels have CONFIG_CHECKPOINT_RESTORE", \
	  "thread 77 cannot take its seccomp filters: SECCOMP_SET_MODE_FILTER gave -22", "") \
	X(criu_shstk, "E-CRIU-SHSTK", log, ct, live, "", \
	  "a process uses a shadow stack that CRIU cannot carry", \
	  "install criu 4.0 or later, or start the program with glibc.cpu.x86_shstk=off in GLIBC_TUNABLES", \
	  "the shadow stack of process 77 cannot be unlocked", "") \
	X(criu_parasite, "E-CRIU-PARASITE", log, ct, live, "", \
	  "CRIU's code could not run in a process of the container", \
	  "see the lines before it in the log; a seccomp filter or LSM that forbids mmap or sockets does this", \
	  "criu's code cannot run in process 77", "") \
	X(criu_uprobes, "E-CRIU-UPROBES", log, ct, live, "", \
	  "a process is being probed (perf, bpftrace)", \
	  "stop the uprobes on the container's programs first", \
	  "process 77 is being probed", "") \
	X(criu_bpf, "E-CRIU-BPF", log, ct, live, "", \
	  "a BPF map or program of a kind that CRIU cannot dump", \
	  "have the process close it before the move, or move it cold", \
	  "a BPF map of type 27 is open", "") \
	X(criu_inotify, "E-CRIU-INOTIFY", log, ct, live, "", \
	  "a watched file cannot be found again", \
	  "have the process drop watches on deleted files; or put force-irmap into /etc/criu/runc.conf", \
	  "a watch is on inode 0x1133 of device 0x2d, whose file is not found", "") \
	X(criu_mapping, "E-CRIU-MAPPING", log, ct, live, "", \
	  "a process has a memory mapping that CRIU cannot dump", \
	  "have it unmap the device or special file before the move, or move it cold", \
	  "a mapping of a kind that criu 4.1.1 cannot dump, at 00007f00-00007f10", "") \
	X(criu_mapfiles, "E-CRIU-MAPFILES", log, src, live, "", \
	  "CRIU may not read /proc/PID/map_files", \
	  "run drover-worker as root with CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE", \
	  "a mapping of process 77 cannot be opened: Operation not permitted", "") \
	X(criu_aio, "E-CRIU-AIO", log, ct, live, "", \
	  "asynchronous I/O was under way", \
	  "move it again when its I/O is quiet", \
	  "process 77 has asynchronous I/O under way", "") \
	X(criu_pipepacket, "E-CRIU-PIPE-PACKET", log, ct, live, "", \
	  "a pipe in packet mode, which this CRIU cannot dump", \
	  "have the process open its pipes without O_DIRECT", \
	  "a pipe is in packet mode", "") \
	X(criu_lsm, "E-CRIU-LSM", log, ct, live, "", \
	  "its AppArmor or SELinux profile cannot be carried", \
	  "load the same profile on both hosts, or run the container unconfined", \
	  "the AppArmor policies cannot be read", "") \
	X(criu_diag, "E-CRIU-DIAG", log, src, live, "", \
	  "the kernel's socket diagnosis modules are not loaded", \
	  "modprobe -a inet_diag tcp_diag udp_diag unix_diag netlink_diag af_packet_diag", \
	  "the kernel has no socket diagnosis module loaded", "") \
	X(criu_dirty, "E-CRIU-DIRTY", log, src, live, "", \
	  "the kernel cannot track changed pages (CONFIG_MEM_SOFT_DIRTY)", \
	  "take track-mem out of /etc/criu/*.conf", \
	  "kernel 6.18.5 cannot track changed pages", "") \
	X(criu_kerndat, "E-CRIU-KERNDAT", log, src, live, "", \
	  "CRIU failed as it probed the kernel", \
	  "run criu check on that host; after a kernel or criu upgrade remove /run/criu.kdat", \
	  "criu 4.1.1 cannot probe kernel 6.18.5: kerndat_uffd", "") \
	X(criu_timens, "E-CRIU-TIMENS", log, src, live, "", \
	  "time namespaces are missing or nested", \
	  "boot a kernel with CONFIG_TIME_NS, and do not unshare time in the container", \
	  "process 77 has made a time namespace of its own", "")

/* the restore: what the target lacks */
#define CODES_CRIU_RESTORE(X) \
	X(criu_nofile, "E-CRIU-NOFILE", log, dst, live, "", \
	  "a file that a process had open is not there on the target", \
	  "copy it there first; a file under a bind mount does not travel with the container", \
	  "var/tmp/dev.log: No such file or directory", "") \
	X(criu_filechanged, "E-CRIU-FILE-CHANGED", log, dst, live, "", \
	  "a file that a process had open is another one on the target", \
	  "put the same version there: programs and libraries under a bind mount must be equal on both hosts", \
	  "usr/lib/libc.so.6 has 1926232 bytes on the target and had 1922136", "") \
	X(criu_ghostlink, "E-CRIU-GHOST-LINK", log, dst, live, "", \
	  "a deleted but open file cannot be made again on the target", \
	  "see that its directory exists there, is writable and has no file of that name", \
	  "the deleted file dev/null cannot be made again: File exists", "") \
	X(criu_port, "E-CRIU-PORT", log, dst, live, "", \
	  "a port of the container is in use on the target", \
	  "stop what listens there, or choose another target; a network namespace of its own avoids this", \
	  "a port of the container is in use on the target", "") \
	X(criu_addr, "E-CRIU-ADDR", log, dst, live, "", \
	  "an address of the container is not there on the target", \
	  "choose a host on the same subnet, and give the container a network namespace by path", \
	  "an address of the container is not there on the target", "") \
	X(criu_iface, "E-CRIU-IFACE", log, dst, live, "", \
	  "a socket is bound to an interface that the target does not have", \
	  "make the interface there under the same name, or bind to an address instead", \
	  "a socket is bound to interface eth7, which the target does not have", "") \
	X(criu_sockbuf, "E-CRIU-SOCKSET", log, dst, live, "", \
	  "an option of a socket cannot be set on the target", \
	  "see that criu has CAP_NET_ADMIN there and that its kernel is not older than the source's", \
	  "socket option 1:62 cannot be set on kernel 6.18.5: Protocol not available", "") \
	X(criu_pid, "E-CRIU-PID", log, dst, live, "", \
	  "a process id of the container is taken on the target", \
	  "give the container a pid namespace of its own", \
	  "process id 77 is taken on the target", "") \
	X(criu_cpu, "E-CRIU-CPU", log, dst, live, "", \
	  "the target's CPU lacks something that the container uses", \
	  "choose a host whose CPU has it; see drover check", \
	  "the target's CPU lacks an FPU feature of the source's", "") \
	X(criu_xsave, "E-CRIU-XSAVE", log, dst, live, "", \
	  "the target's CPU saves its registers in another form", \
	  "choose a host with the same xsave area; see drover check", \
	  "the target's CPU lacks the register sets 0xe0", "") \
	X(criu_imgversion, "E-CRIU-IMG-VERSION", log, dst, live, "", \
	  "the image is of another CRIU version than the target can read", \
	  "install the same criu version on both hosts", \
	  "the image has version 3, which criu 4.1.1 cannot read", "") \
	X(criu_imgbad, "E-CRIU-IMG-CORRUPT", log, dst, live, "", \
	  "the image is not whole or not of this form", \
	  "move it again; if it comes back, compare the criu versions and look for a full or faulty disk", \
	  "pagemap-1.img is no image of this kind", "") \
	X(criu_plugin, "E-CRIU-PLUGIN", log, dst, live, "", \
	  "the image needs a CRIU plugin that the target does not have", \
	  "install the plugin there (criu-plugin packages: CUDA, AMD GPU)", \
	  "the plugin cuda_plugin is not there", "") \
	X(criu_mount, "E-CRIU-MOUNT", log, dst, live, "", \
	  "a mount of the container cannot be made on the target", \
	  "make its source there, with the kernel module of its file system; compare config.json's mounts", \
	  "nothing can be bound to /tmp/.criu.mntns.X/9/data: No such file or directory", "") \
	X(criu_cgroup, "E-CRIU-CGROUP", log, dst, live, "", \
	  "the container's cgroups cannot be made on the target", \
	  "boot both hosts with the same cgroup version and controllers, and remove a left-over cgroup of it", \
	  "cgroup memory/web cannot be made: Read-only file system", "") \
	X(criu_loginuid, "E-CRIU-LOGINUID", log, dst, live, "", \
	  "the audit user id cannot be set on the target", \
	  "run drover-worker with CAP_AUDIT_CONTROL, outside a container", \
	  "the audit user id cannot be set: 77 task failed", "") \
	X(criu_exists, "E-CRIU-EXISTS", log, dst, live, "", \
	  "the runtime knows a container of this name on the target already", \
	  "remove it there, or its directory below /run/runc or /run/crun when nothing of it runs", \
	  "the runtime has a container of this name already", "") \
	X(criu_memmap, "E-CRIU-MEMORY", log, dst, live, "", \
	  "a process's memory cannot be laid out again on the target", \
	  "compare the hosts' vm.overcommit_memory, vm.max_map_count and huge pages", \
	  "the memory at 7f0000 cannot be mapped: fffffffffffffff4", "")

/* either */
#define CODES_CRIU_EITHER(X) \
	X(criu_nft, "E-CRIU-NETLOCK", log, path, live, "", \
	  "CRIU could not set or read firewall rules", \
	  "put network-lock skip into /etc/criu/default.conf: drover's own gate keeps the network closed", \
	  "criu's own network lock failed: iptables-restore returned 2. This may be connected to disabled CONFIG_NETFILTER_XT_MARK kernel", "") \
	X(criu_iptool, "E-CRIU-IPTOOL", log, path, live, "", \
	  "a program that CRIU calls is missing or failed", \
	  "install iproute2 and iptables, in the versions of the source", \
	  "ip failed: rule flush table local", "") \
	X(criu_script, "E-CRIU-SCRIPT", log, path, live, "", \
	  "an action script failed", \
	  "see action-script in /etc/criu/*.conf: only drover's hook belongs there", \
	  "/usr/libexec/hook exited with 256", "") \
	X(criu_nospace, "E-CRIU-NOSPACE", log, path, live, "", \
	  "there is no space left for the image", \
	  "free space in node.run and worker.storage on that host", \
	  "Can't write img file: no space left", "") \
	X(criu_nomem, "E-CRIU-NOMEM", log, path, live, "", \
	  "the kernel had no memory left", \
	  "free memory on that host, or raise the limit of the cgroup that criu runs in", \
	  "Unable to map ANON_VMA: no memory left", "") \
	X(criu_timeout, "E-CRIU-TIMEOUT", log, path, live, "", \
	  "CRIU did not end in time", \
	  "see which line of the log it stopped at; a busy disk or a hung mount is the usual cause", \
	  "criu did not end within its own timeout", "") \
	X(criu_nocriu, "E-CRIU-NOCRIU", log, path, live, "", \
	  "the runtime found no usable CRIU", \
	  "install criu (and libcriu2 for crun) on that host, and run drover doctor there", \
	  "criu is not in the runtime's PATH", "") \
	X(criu_oldcriu, "E-CRIU-OLDCRIU", log, path, live, "", \
	  "CRIU is older than the runtime wants", \
	  "install a newer criu on that host", \
	  "criu 20200, and the runtime wants 30000", "") \
	X(criu_noperm, "E-CRIU-PERM", log, path, live, "", \
	  "the kernel refused CRIU a right", \
	  "run drover-worker as root with CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_SYS_PTRACE", \
	  "Can't setns 77/mnt: not permitted", "") \
	X(criu_crashed, "E-CRIU-CRASHED", log, path, live, "", \
	  "CRIU, or a process that it was restoring, was killed by a signal", \
	  "see dmesg on that host: the OOM killer leaves a line there; else report CRIU's crash with the log", \
	  "a process crashed as it was restored", "") \
	X(criu_unknown, "E-CRIU-UNKNOWN", log, path, live, "", \
	  "a failure that is in no table", \
	  "read the whole log: drover job ID --log", \
	  "criu 4.1.1 stopped at brandnew.c:7: Something that nobody has seen yet", "The sentence is the first line of the log that says Error, with the place in CRIU's source.")

#define CODES_CRIU(X) \
	CODES_CRIU_DUMP(X) \
	CODES_CRIU_RESTORE(X) \
	CODES_CRIU_EITHER(X)
/* clang-format on */

#endif
