/* SPDX-License-Identifier: MPL-2.0
 *
 * Progress of one followed job, pure: what was heard and the time go in, text comes out. */
#ifndef DROVER_CLI_PROGRESS_H
#define DROVER_CLI_PROGRESS_H

#include "base/str.h"
#include "cli/style.h"
#include "proto/schema.h"

struct progress {
	char id[ULID_SIZE];
	char container[NAME_SIZE];
	char source[NAME_SIZE];
	char target[NAME_SIZE];
	char step[16];
	char phase[32];
	char waiting_for[256];
	uint64_t done_bytes, total_bytes, bytes_s, eta_ms;
	uint64_t heard_ms; /* when the last news came */
	bool frozen;
	uint64_t frozen_since_ms; /* when the freeze began, as far as known */
	uint64_t stage_ms;        /* when the step or phase began, 0: long ago */
	char told[384];           /* the last line off a terminal */
};

/* Takes news of the job. */
void progress_feed(struct progress *progress, const struct msg_job *job, uint64_t now_ms);

/* Whom a step waits for is said only when it has waited for so long: most answer at once. */
#define PROGRESS_PATIENCE_MS 1500

/* The line that is drawn in place, at most style->width - 1 columns (80 when 0), no newline. */
#define PROGRESS_SIZE 1024
void progress_line(const struct progress *progress, const struct style *style, uint64_t now_ms,
		   char buf[PROGRESS_SIZE]);

/* Off a terminal: the line to print when there is something new to say since the last call, else
 * "". */
void progress_news(struct progress *progress, const struct style *style, uint64_t now_ms,
		   char buf[PROGRESS_SIZE]);

/* What a step and phase mean, in words that stay: "memory while it runs". */
const char *progress_words(const char *step, const char *phase);

#endif
