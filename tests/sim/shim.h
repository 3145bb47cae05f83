/* SPDX-License-Identifier: MPL-2.0
 *
 * Included before worker/engine.c, recover.c, journal.c and proof.c: the system calls that they
 * make, and the named crash points, belong to the simulator. */
#ifndef DROVER_TESTS_SIM_SHIM_H
#define DROVER_TESTS_SIM_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* base/crash.h, as a build with crash points sees it. */
#define DROVER_BASE_CRASH_H
void crash_point(const char *name);

int sim_open(const char *path, int flags, ...);
int sim_close(int fd);
int sim_flock(int fd, int operation);
int sim_fstat(int fd, struct stat *st);
ssize_t sim_pread(int fd, void *buf, size_t len, off_t at);
ssize_t sim_pwrite(int fd, const void *buf, size_t len, off_t at);
int sim_ftruncate(int fd, off_t len);
int sim_fallocate(int fd, int mode, off_t at, off_t len);
int sim_fdatasync(int fd);
int sim_sync_dir(const char *path, struct err *err);
void sim_abort(void) __attribute__((noreturn));

#define open sim_open
#define close sim_close
#define flock(fd, operation) sim_flock(fd, operation)
#define fstat sim_fstat
#define pread sim_pread
#define pwrite sim_pwrite
#define ftruncate sim_ftruncate
#define fallocate sim_fallocate
#define fdatasync sim_fdatasync
#define fsync sim_fdatasync
#define file_sync_dir sim_sync_dir
#define abort sim_abort

#endif
