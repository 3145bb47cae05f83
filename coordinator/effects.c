/* SPDX-License-Identifier: MPL-2.0
 *
 * The two queues of a turn. */
#include "coordinator/effects.h"

#include "base/mem.h"

#include <string.h>

void effects_reset(struct effects *effects)
{
	for (size_t i = 0; i < effects->n_records; i++)
		free(effects->records[i].data);
	for (size_t i = 0; i < effects->n_sends; i++)
		msg_free(&effects->sends[i].msg);
	free(effects->records);
	free(effects->sends);
	*effects = (struct effects){0};
}

static struct effect_record *record_new(struct effects *effects, enum record_kind kind,
					const char *key, const char *point)
{
	struct effect_record *record;

	effects->records =
		mem_grow(effects->records, effects->n_records + 1, sizeof(*effects->records));
	record = &effects->records[effects->n_records++];
	*record = (struct effect_record){.kind = kind};
	str_copy(record->key, sizeof(record->key), key);
	str_copy(record->point, sizeof(record->point), point);
	return record;
}

void effects_record(struct effects *effects, enum record_kind kind, const char *key,
		    enum msg_type type, const void *body, const char *point)
{
	struct effect_record *record = record_new(effects, kind, key, point);

	if (msg_encode_body(type, body, &record->data, &record->len, NULL))
		abort();
}

void effects_value(struct effects *effects, const char *key, const char *text)
{
	struct effect_record *record = record_new(effects, RECORD_value, key, "");

	record->data = str_dup(text);
	record->len = strlen(text);
}

static struct effect_send *send_new(struct effects *effects, struct msg_head head, struct msg *msg)
{
	struct effect_send *send;

	effects->sends = mem_grow(effects->sends, effects->n_sends + 1, sizeof(*effects->sends));
	send = &effects->sends[effects->n_sends++];
	*send = (struct effect_send){.msg = msg};
	send->msg->head = head;
	return send;
}

void effects_ask(struct effects *effects, const char *node, struct msg_head head, const void *body,
		 const char *point)
{
	struct msg *msg = msg_copy_try(head.type, body);
	struct effect_send *send;

	if (!msg)
		return; /* what is not answered is asked again */
	send = send_new(effects, head, msg);
	str_copy(send->node, sizeof(send->node), node);
	str_copy(send->point, sizeof(send->point), point);
}

void effects_tell(struct effects *effects, uint64_t client, struct msg_head head, const void *body)
{
	auto_free void *data = NULL;
	struct msg *msg = NULL;
	struct err err = {0};
	size_t len;

	if (msg_encode_body(head.type, body, &data, &len, &err) ||
	    !(msg = msg_copy_try(head.type, body))) {
		if (head.type != MSG_TYPE_reply)
			return; /* an event can be missed */
		msg = msg_copy(MSG_TYPE_reply,
			       &(struct msg_reply){
				       .code = ERR_invalid,
				       .error = "the answer is too large for one message",
				       .fix = "ask for less: name a host or use --limit",
				       .final = true,
			       });
	}
	send_new(effects, head, msg)->client = client;
}
