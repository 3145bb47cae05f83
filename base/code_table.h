/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of reason codes: every code that a check, a policy or a log can name, once. Verdicts,
 * `drover explain`, --skip and drover-errors(7) are made from these rows. A code keeps its meaning
 * for ever; one that is given up is not used again.
 *
 * X(id, code, origin, about, bars, skip, says, fix, example, more)
 *   origin   check   what the hosts report, judged by the coordinator before anything is touched
 *            host    a worker's own look, first step of a move
 *            policy  the configuration's or the container's own rules
 *            log     CRIU's dump or restore log, classified
 *   about    ct the container itself · src the host it is on · dst the candidate host ·
 *            path the way between the two
 *   bars     live    a live move only: stop, move and start again would work
 *            move    any move
 *            none    nothing: it is always a warning
 *   skip     the name that --skip takes, "" when it cannot be skipped: skipping would lose data, or
 *            could not work
 *   says     what it means, one line; fix: what to do; example: the sentence that goes with it
 *   more     further lines of explanation, or "" */
#ifndef DROVER_BASE_CODE_TABLE_H
#define DROVER_BASE_CODE_TABLE_H

#include "base/criu_codes.h"

/* clang-format off */
#define CODES_CONTAINER(X) \
	X(stopped, "E-STOPPED", check, ct, live, "", \
	  "the container is not running", \
	  "start it first; only running containers move live", \
	  "web is stopped, not running", \
	  "There is no memory to take along. Paused containers count as stopped: they would be resumed at the target.") \
	X(busy, "E-BUSY", check, ct, move, "", \
	  "another job moves this container", \
	  "wait for the other job, or cancel it", \
	  "another job is moving web", \
	  "One job a container: it is locked until the outcome of the first is known and told.") \
	X(away, "E-AWAY", host, ct, move, "", \
	  "it runs on a host that it has moved away from", \
	  "stop it there; let what starts containers ask drover-worker --may-start ID first", \
	  "web runs here, and is beta's since migration 01M86VYA5WRHPJV8DTMJZWMH5J", \
	  "Something other than drover has started a copy that was left behind. drover kills nothing that it has not " \
	  "begun. If it is a new container under the old name: drover-worker --new-name ID, while no worker runs.") \
	X(io_uring, "E-IOURING", check, ct, live, "iouring", \
	  "a process has an io_uring open", \
	  "run it with io_uring off: CRIU cannot dump a ring", \
	  "a process of web has 2 io_uring rings open", \
	  "CRIU fails the dump on the ring's mapping. Most servers have a switch (MariaDB innodb_use_native_aio=0, " \
	  "node UV_USE_IO_URING=0), and kernel.io_uring_disabled=2 makes them fall back.") \
	X(tty, "E-TTY", check, ct, live, "tty", \
	  "a process has a terminal open", \
	  "start it with stdio on /dev/null or pipes", \
	  "web has a terminal as its stdio", \
	  "The other end of the terminal belongs to a process outside of the container and cannot follow.") \
	X(terminal, "E-TERMINAL", check, ct, move, "tty", \
	  "its config.json asks for a terminal, so it cannot be started again", \
	  "set process.terminal to false in its config.json and start it anew", \
	  "config.json of web asks for a terminal", \
	  "The runtime hands the terminal's other end to whoever starts the container, and that one has to keep it for as long " \
	  "as the container runs. drover is not there for that: a stop, or a cold move, would be its end.") \
	X(ext_unix, "E-EXT-UNIX", check, ct, live, "unix", \
	  "a unix socket leads out of the container", \
	  "close its unix sockets to the outside first", \
	  "web is connected to a unix socket outside of it", \
	  "The peer stays behind, so the connection cannot be restored: CRIU stops with \"External socket is used\". " \
	  "Syslog, D-Bus and docker.sock by bind mount are the usual ones.") \
	X(shared_netns, "E-SHARED-NETNS", check, ct, move, "netns", \
	  "others share its network namespace that cannot move with it", \
	  "name one /run/netns/NAME in config.json of all that share it: they move as one then", \
	  "others share the network namespace of web", \
	  "Addresses and connections would have to be in two places at once. Running containers that have the same " \
	  "named network namespace move as one. A namespace that a runtime has made and others join by " \
	  "/proc/PID/ns/net cannot follow: runc restores it empty and under another PID, and refuses the " \
	  "joiner (\"Requested network namespace does not exist\"). Nor may processes of no container be in it.") \
	X(shared_ns, "E-SHARED-NS", check, ct, move, "namespaces", \
	  "others share one of its namespaces", \
	  "give it namespaces of its own, or move those that share them away first", \
	  "web shares its ipc namespace with others", \
	  "CRIU restores a namespace as a whole; what others keep in it (SysV segments, pids) stays " \
	  "behind. Nor could it be stopped and started elsewhere with that namespace.") \
	X(group_size, "E-GROUP-SIZE", check, ct, move, "", \
	  "it moves as one with more containers than can", \
	  "make the group smaller: at most 8 containers move as one", \
	  "9 containers of alpha are in group shop: at most 8 move as one", \
	  "All of a group are frozen at the same time and released by one record.") \
	X(net_host, "E-NET-HOST", check, ct, live, "network", \
	  "it uses its host's network and has sockets open", \
	  "give it a network namespace: a host's addresses cannot follow", \
	  "web uses the network of its host and has sockets open", \
	  "A connection is bound to an address, and the host keeps its own.") \
	X(locks, "E-LOCKS", check, ct, none, "", \
	  "it holds file locks", \
	  "nothing, if the locked files are the container's own", \
	  "web holds 3 file locks", \
	  "Locks are taken again at the target. A lock on a file that others have open as well is not: they are not " \
	  "kept out while it moves.") \
	X(inotify, "E-INOTIFY", check, ct, none, "", \
	  "it watches files with inotify", \
	  "nothing; a program that polls as well is safe", \
	  "web has 4 inotify instances", \
	  "Watches are made again at the target; what changes during the freeze is not told, and a watch on a deleted " \
	  "file cannot be made.") \
	X(mount_local, "E-MOUNT-LOCAL", check, ct, none, "", \
	  "it writes to a directory of its host that does not travel", \
	  "keep the data inside the container's root, or on storage that both hosts mount", \
	  "/srv/data of alpha is mounted at /data and stays behind", \
	  "A bind mount from outside of the bundle is taken from the target's own file system: what lies there is what " \
	  "the container finds.")

#define CODES_SOURCE(X) \
	X(source_down, "E-SOURCE-DOWN", check, src, move, "", \
	  "the host it is on is not heard", \
	  "see drover hosts; its containers are unknown, not dead", \
	  "alpha, where it is, is dead", \
	  "Silence never starts a second copy: the container may run on.") \
	X(source_criu, "E-SOURCE-CRIU", check, src, live, "", \
	  "the host it is on has no CRIU", \
	  "install criu on the container's host, or set worker.criu there", \
	  "alpha has no criu", "") \
	X(source_check, "E-SOURCE-CHECK", check, src, live, "criu", \
	  "CRIU does not work on the host it is on", \
	  "run criu check on the container's host and mend what it names", \
	  "criu check on alpha: no freezer", "") \
	X(source_kernel, "E-SOURCE-KERNEL", check, src, live, "kernel", \
	  "this CRIU is known to fail on the kernel of the host it is on", \
	  "install a criu that knows the kernel of the container's host", \
	  "criu 4.1.1 on kernel 6.18.1: its dump fails on internet sockets: can't get 1:16 opt", \
	  "CRIU 3.x dies at start from kernel 6.13 on (criu#2532); CRIU before 4.2 cannot dump internet or packet " \
	  "sockets from kernel 6.16 on (criu#2705).") \
	X(source_runtime, "E-SOURCE-RUNTIME", check, src, live, "", \
	  "its runtime cannot checkpoint", \
	  "this runtime cannot checkpoint on the container's host", \
	  "crun on alpha cannot checkpoint", \
	  "crun needs libcriu2 installed; runc needs criu in its PATH.")

#define CODES_TARGET(X) \
	X(host_down, "E-HOST-DOWN", check, dst, move, "", \
	  "the target is not heard", \
	  "see drover hosts; start drover-worker there", \
	  "beta is suspect", \
	  "A host that missed beats is never a target.") \
	X(beat_old, "E-BEAT-OLD", check, dst, move, "beat", \
	  "what is known of the target is old", \
	  "look at the load of the worker there, or wait for its next beat", \
	  "the last beat of beta came 12.0 s ago", \
	  "Its free memory and load are from then.") \
	X(host_cordoned, "E-HOST-CORDONED", check, dst, move, "cordon", \
	  "the target is cordoned", \
	  "drover uncordon HOST", \
	  "beta is cordoned: disk swap on Friday", "") \
	X(same_host, "E-SAME-HOST", check, dst, move, "", \
	  "the container is on that host already", \
	  "name another host with --to, or leave it out", \
	  "it is on alpha already", "") \
	X(runtime, "E-RUNTIME", check, dst, move, "", \
	  "the target lacks the container's runtime", \
	  "install the container's runtime on that host", \
	  "beta has no crun", "") \
	X(runtime_restore, "E-RUNTIME-RESTORE", check, dst, live, "", \
	  "the target's runtime cannot restore", \
	  "install criu there; crun needs libcriu2 as well", \
	  "crun on beta cannot restore", "") \
	X(runtime_version, "E-RUNTIME-VERSION", check, dst, none, "", \
	  "the runtimes' versions differ or are not known", \
	  "install the same version on both hosts", \
	  "runc 1.1.15 on beta, 1.3.6 on alpha", \
	  "A newer runtime restores what an older one dumped; the other way is not tested by anyone.") \
	X(criu_missing, "E-CRIU-MISSING", check, dst, live, "", \
	  "the target has no CRIU", \
	  "install criu there, or set worker.criu", \
	  "beta has no criu", "") \
	X(criu_version, "E-CRIU-VERSION", check, dst, live, "version", \
	  "the target's CRIU is older than the source's, or differs from it", \
	  "install the same criu version on both hosts", \
	  "criu 4.1.1 on beta is older than 4.2.1 on alpha", \
	  "An older CRIU may not know what the newer one wrote. A newer one at the target is only a warning.") \
	X(criu_old, "E-CRIU-OLD", check, dst, live, "", \
	  "the target's CRIU cannot hold a restored container", \
	  "install criu 3.19 or later on the target", \
	  "criu 3.17.1 on beta has no post-restore hook that can hold a container", \
	  "The hook that keeps a restored container from running before the source has given it away came with 3.19. " \
	  "Without it two copies could run: this cannot be skipped.") \
	X(criu_check, "E-CRIU-CHECK", check, dst, live, "criu", \
	  "CRIU does not work on the target", \
	  "run criu check there and mend what it names", \
	  "criu check on beta: no freezer", "") \
	X(kernel_criu, "E-KERNEL-CRIU", check, dst, live, "kernel", \
	  "this CRIU is known to fail on the target's kernel", \
	  "install a criu that knows this kernel", \
	  "criu 3.19.0 on kernel 6.14.0: it stops at start: unexpected rt vDSO area bounds", \
	  "CRIU 3.x dies at start from kernel 6.13 on (criu#2532).") \
	X(arch, "E-ARCH", check, dst, move, "", \
	  "the hosts' architectures differ", \
	  "choose a host of the same architecture", \
	  "alpha is x86_64, beta is aarch64", "") \
	X(cpu_features, "E-CPU-FEATURES", check, dst, live, "cpu", \
	  "the target's CPU lacks features of the source's", \
	  "choose a host whose CPU has them, or start the container with fewer", \
	  "the CPU of beta lacks 2 features of alpha: avx512f avx512bw", \
	  "A running program has chosen its code by the CPU that it was started on; a missing instruction kills it.") \
	X(cpu_xsave, "E-CPU-XSAVE", check, dst, live, "cpu", \
	  "the target's register save area is smaller", \
	  "choose a host with at least this xsave area", \
	  "xsave area of 832 bytes on beta, 2696 on alpha", "") \
	X(mem, "E-MEM", check, dst, move, "memory", \
	  "the target has not enough memory", \
	  "free memory there, or choose another host", \
	  "web needs 210 MiB (image and copy) and beta keeps 100 MiB free: 250 MiB is available, 0 B is booked", \
	  "Its memory, a tenth more for what it grows by, and the image in the staging area, which is memory too. " \
	  "coordinator.headroom percent of the host stay free; arrivals on their way are booked.") \
	X(psi, "E-PRESSURE", check, dst, none, "", \
	  "the target is short of memory already", \
	  "choose another host, or find what presses on it", \
	  "tasks of beta waited for memory 31% of the last 10 s", "") \
	X(disk, "E-DISK", check, dst, move, "disk", \
	  "the target's container storage is too full", \
	  "free space in worker.storage there", \
	  "its files need 1.2 GiB, beta has 800 MiB free", "") \
	X(staging, "E-STAGING", check, dst, live, "disk", \
	  "the target's staging area is too full", \
	  "free space in node.run there", \
	  "its image needs 1.2 GiB, the staging area of beta has 800 MiB free", "") \
	X(cgroup, "E-CGROUP", check, dst, live, "cgroup", \
	  "the hosts' cgroup versions differ", \
	  "boot both hosts with cgroup v2", \
	  "cgroup v1 on beta, v2 on alpha", \
	  "crun cannot restore on cgroup v1 at all.") \
	X(controllers, "E-CONTROLLERS", check, dst, none, "", \
	  "the target lacks cgroup controllers that the source has", \
	  "enable them in cgroup.subtree_control there", \
	  "beta lacks the cgroup controllers memory, pids of alpha", \
	  "The container runs there without the limits that these keep.") \
	X(cpus, "E-CPUS", check, dst, none, "", \
	  "the target has fewer CPUs than the container may use", \
	  "choose a host with more CPUs, or lower the container's CPU limit", \
	  "web may use 4.0 CPUs, beta has 2", "") \
	X(lsm, "E-LSM", check, dst, none, "", \
	  "the hosts' security modules differ", \
	  "load the same security modules and profiles on both hosts", \
	  "alpha has apparmor, beta has selinux", \
	  "A label that the target does not know cannot be given back to the processes.") \
	X(thp, "E-THP", check, dst, none, "", \
	  "transparent huge pages make pre-copy rounds large", \
	  "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled on the source", \
	  "transparent huge pages are always on at alpha: one written byte dirties 2 MiB", "") \
	X(net_bridge, "E-NET-BRIDGE", check, dst, move, "network", \
	  "the target lacks the container's bridge", \
	  "make the bridge there, or set worker.bridge", \
	  "beta has no bridge br0", "") \
	X(net_subnet, "E-NET-SUBNET", check, dst, move, "network", \
	  "the container's address does not fit the target's subnet", \
	  "choose a host on the same subnet", \
	  "its address 10.9.0.5/24 is outside of 10.8.0.0/24 on bridge br0 of beta", "") \
	X(net_mtu, "E-NET-MTU", check, dst, move, "mtu", \
	  "the target's bridge takes smaller packets", \
	  "set the same MTU on both bridges", \
	  "br0 of beta has MTU 1400, the container's interface 1500", \
	  "Full packets of the open connections would vanish without a word.") \
	X(mount, "E-MOUNT", host, dst, move, "mounts", \
	  "a path that is mounted into the container is missing on the target", \
	  "make it there, or choose another target", \
	  "/srv/data, mounted at /data, is not on beta", "") \
	X(dev, "E-DEV", host, dst, move, "devices", \
	  "a device of the container is missing on the target", \
	  "load its driver there, or choose another target", \
	  "/dev/fuse is not on beta", \
	  "The state of a device's driver does not travel either: /dev/null and its kind are fine, a GPU is not.") \
	X(port, "E-PORT", host, dst, move, "network", \
	  "a port that the container listens on is taken on the target", \
	  "free the port there, or choose another target", \
	  "tcp 0.0.0.0:80 is in use on beta", "") \
	X(address, "E-ADDRESS", host, dst, move, "network", \
	  "another machine answers for the container's address", \
	  "find who uses the address", \
	  "10.9.0.5 is in use at beta", "") \
	X(net_silent, "E-NET-SILENT", host, dst, none, "", \
	  "the container does not answer on the target's bridge", \
	  "see that both bridges are one network", \
	  "nobody answers for 10.9.0.5/24 on bridge br0 of beta", \
	  "The target asked by ARP for the container where it still runs. Its peers may not find it after the move.") \
	X(config, "E-CONFIG", host, dst, none, "", \
	  "the host was told to read its configuration again, and did not take it", \
	  "mend the line named and reload the worker again: systemctl reload drover-worker", \
	  "its configuration was not taken: /etc/drover/drover.conf:12: [worker] has no option \"lables\" (did you mean \"labels\"?)", \
	  "What was in force before still is, all of it. drover config --check FILE looks before you reload.") \
	X(target_policy, "E-POLICY", host, dst, move, "", \
	  "the target does not take what the container asks of it", \
	  "list it in the worker.allow_… option named, in the target's drover.conf, or choose another target", \
	  "bind mount of /etc: not in worker.allow_binds of beta", \
	  "A configuration that comes from another host is used as root: each target has a policy of its own for bind mounts, devices, image directories, hooks and privileges, and nothing on the source or the coordinator overrides it.") \
	X(privileged, "E-PRIVILEGED", host, dst, none, "", \
	  "the container has more rights over its host than containers have by default", \
	  "start it without them, if it can do without", \
	  "web has on beta what it has on alpha: cap SYS_ADMIN", "") \
	X(image, "E-IMAGE", check, dst, move, "", \
	  "the target lacks the container's image", \
	  "put the image there, or choose another target", \
	  "beta lacks the image /var/lib/ct/.images/debian", "") \
	X(storage, "E-STORAGE", host, dst, move, "", \
	  "the container's directory lies outside of the target's container storage", \
	  "set worker.storage to the same place on both hosts", \
	  "the bundle is outside the target's container storage", "") \
	X(name_taken, "E-NAME-TAKEN", check, dst, move, "", \
	  "the target has another container of that name", \
	  "remove or rename the container there", \
	  "beta has a container web already (stopped)", \
	  "Its files would be overwritten: this cannot be skipped.")

#define CODES_PATH(X) \
	X(cold_start, "E-COLD-START", host, src, none, "", \
	  "it was stopped for a cold move and does not start again at its source", \
	  "its files are where they were: mend the cause and start it there", \
	  "web was stopped on alpha and does not start again: runc create: no such file or directory", \
	  "The move failed after the container had been stopped. Its host has tried to start it from its bundle three " \
	  "times. It runs nowhere; nothing of it is lost but what it had in memory when it was told to stop.") \
	X(ssh, "E-SSH", host, path, move, "", \
	  "the source cannot log in at the target", \
	  "check sshd on the target and the roster's ssh keys", \
	  "beta:22 refuses the transfer key of alpha", "") \
	X(no_answer, "E-NO-ANSWER", host, path, move, "", \
	  "a worker was asked and did not answer", \
	  "see drover hosts and the worker's log there", \
	  "beta did not answer within 15 s", "") \
	X(downtime, "E-DOWNTIME", policy, path, live, "downtime", \
	  "the predicted downtime is above what is allowed", \
	  "choose a faster link, allow more with max-downtime, or --skip downtime", \
	  "about 4.20 s frozen on the way to beta, policy db allows 2.00 s", \
	  "The prediction is learned from earlier moves between the two hosts; before the first it is a guess. It is made again " \
	  "before the freeze, from what pre-copy has measured: then --allow-cold makes it a cold move, if that is short enough.")

#define CODES_POLICY(X) \
	X(policy_never, "E-POLICY-NEVER", policy, ct, move, "policy", \
	  "a policy says that it never moves", \
	  "change the policy, or --skip policy", \
	  "policy licences says move = never", "") \
	X(policy_cold, "E-POLICY-COLD", policy, ct, live, "policy", \
	  "a policy says that it moves only while stopped", \
	  "drover migrate moves it cold by itself; an evacuation with --on-stuck cold; live: --skip policy", \
	  "policy batch says move = cold", \
	  "It is stopped, its files are moved, and it is started at the target.") \
	X(require, "E-REQUIRE", policy, dst, move, "policy", \
	  "the target lacks a label that a policy requires", \
	  "label the host (worker.labels), choose another, or --skip policy", \
	  "beta has no label disk=ssd, which policy db requires", "") \
	X(spread, "E-SPREAD", policy, dst, move, "policy", \
	  "another of its spread group is on the target", \
	  "choose another host, or --skip policy", \
	  "web2 of spread group web is on beta (policy web)", \
	  "Those of one group are to be on different hosts, so that one host's end is not the end of all.") \
	X(together, "E-TOGETHER", policy, dst, none, "", \
	  "the others of its group are elsewhere", \
	  "move them as well", \
	  "cache of group shop is on alpha, not on beta (policy shop)", "") \
	X(avoid, "E-AVOID", policy, dst, none, "", \
	  "a policy says to avoid the target", \
	  "choose another host if there is one", \
	  "beta is disk=hdd, which policy db avoids", \
	  "It is chosen only when no other host can take the container.") \
	X(policy_label, "E-POLICY-LABEL", policy, ct, none, "", \
	  "a label of the container asks for what cannot be read", \
	  "mend the label; drover explain E-POLICY-LABEL shows which there are", \
	  "drover.move=sometimes: not one of live, cold, never", \
	  "Labels: drover.move, drover.prefer, drover.avoid, drover.require, drover.spread, drover.keep-together, " \
	  "drover.priority, drover.max-downtime, as in a [policy NAME] section; drover.group: what has the same moves as " \
	  "one, none: volumes tie it to nobody.")

#define CODE_TABLE(X) \
	CODES_CONTAINER(X) \
	CODES_SOURCE(X) \
	CODES_TARGET(X) \
	CODES_PATH(X) \
	CODES_POLICY(X) \
	CODES_CRIU(X)
/* clang-format on */

#endif
