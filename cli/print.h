/* SPDX-License-Identifier: MPL-2.0
 *
 * How replies are printed: lists as tables or JSON, the rest in its own form. Each function answers
 * the process' exit code. */
#ifndef DROVER_CLI_PRINT_H
#define DROVER_CLI_PRINT_H

#include "cli/cli.h"

int list_print(struct cli *cli, const struct msg_reply *reply); /* the command's noun */
int status_print(struct cli *cli, const struct msg_reply *reply);
int check_print(struct cli *cli, const struct msg_reply *reply);

int job_print(struct cli *cli, const struct msg_reply *reply);
int migrate_print(struct cli *cli, const struct msg_reply *reply);

/* Before it begins: who moves as one with whom; nothing for a job alone. */
void group_print(struct cli *cli, const struct msg_reply *reply);
int text_print(struct cli *cli, const struct msg_reply *reply);
int cordon_print(struct cli *cli, const struct msg_reply *reply);
int history_print(struct cli *cli, const struct msg_reply *reply);
int plan_print(struct cli *cli, const struct msg_reply *reply);

/* Records of the schema in the format that was asked for; the exit code. */
struct noun;
int noun_print(struct cli *cli, const struct noun *noun, const void *first, size_t n);

/* One job as people read it when it is over: outcome, places, downtime by part, what travelled. */
void summary_print(FILE *out, const struct style *style, const struct msg_job *job);

/* "web  MOVED …", one line of a job that goes on. */
void job_line_print(FILE *out, const struct style *style, const struct msg_job *job);

/* One event, one line. */
void event_print(FILE *out, const struct style *style, const struct msg_event *event);

/* A label and a text from elsewhere, cleaned; nothing when there is no text. */
void line_print(FILE *out, const char *label, const char *text);

/* A reason with its fix, indented. */
void reason_print(FILE *out, const struct style *style, const struct msg_reason *reason);

/* The error names its code already, and there is no more to say of it. */
bool reason_is_told(const struct msg_reason *reason, const char *error);

/* The exit code that a finished job stands for. */
int job_exit_code(const struct msg_job *job);

/* The tone of an outcome, and of a host's or job's state. */
enum tone outcome_tone(const char *outcome);
enum tone state_tone(const char *state);

/* A list of records without a schema, as the format wants it: table, or JSON whose keys are the
 * columns' keys. */
int local_print(struct cli *cli, const struct noun *noun, const void *first, size_t n);

/* Text of a row's bytes as one JSON document, indented, with a newline. Takes text. */
void json_print(FILE *out, char *text);
/* A jansson value, which it takes. */
struct json_t;
void json_object_print(FILE *out, struct json_t *object);
/* The same on one line. */
void json_line_print(FILE *out, char *text);
/* An array of n records of one kind, `stride` bytes apart. */
void json_list_print(FILE *out, const char *record, const void *first, size_t stride, size_t n);
/* The same piece by piece: n more after those before, whose new number is returned; and its end. */
size_t json_list_more(FILE *out, size_t before, const char *record, const void *first,
		      size_t stride, size_t n);
void json_list_end(FILE *out, size_t n);

#endif
