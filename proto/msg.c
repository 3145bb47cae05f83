/* SPDX-License-Identifier: MPL-2.0
 *
 * The one walker over the schema's tables. Decoding has two passes: wire_check proves that the
 * bytes are one well-formed msgpack value within depth and length, without allocating; then the
 * reader below walks the same bytes field by field into a zone. Nothing is taken on a peer's word:
 * counts are bounded by the bytes present and by the field's row. */
#include "proto/msg.h"

#include "base/clock.h"
#include "base/mem.h"
#include "proto/table.h"
#include "proto/wire.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

/* --- encoding --- */

static int encode_record(msgpack_packer *pk, const struct table *t, const void *record,
			 struct err *err);

static int too_large(const struct table *t, const struct field *f, struct err *err)
{
	return fail(err, ERR_invalid, "%s.%s is larger than its limit of %u", t->name, f->name,
		    f->max);
}

static int encode_text(msgpack_packer *pk, const char *s, size_t max)
{
	size_t len = s ? strlen(s) : 0;

	if (len > max)
		return -1;
	msgpack_pack_str(pk, len);
	msgpack_pack_str_body(pk, s ? s : "", len);
	return 0;
}

static int encode_strs(msgpack_packer *pk, const struct field *f, const struct msg_strs *strs)
{
	if (strs->n > f->max)
		return -1;
	msgpack_pack_array(pk, strs->n);
	for (size_t i = 0; i < strs->n; i++)
		if (encode_text(pk, strs->v[i], f->max_each))
			return -1;
	return 0;
}

static int encode_list(msgpack_packer *pk, const struct table *t, const struct field *f,
		       const struct field_list *list, struct err *err)
{
	if (list->n > f->max)
		return too_large(t, f, err);
	msgpack_pack_array(pk, list->n);
	for (size_t i = 0; i < list->n; i++) {
		int rc = encode_record(pk, f->sub, (const char *)list->v + i * f->sub->size, err);

		if (rc)
			return rc;
	}
	return 0;
}

static int encode_field(msgpack_packer *pk, const struct table *t, const struct field *f,
			const void *at, struct err *err)
{
	const struct msg_bin *bin = at;

	msgpack_pack_uint16(pk, f->key);
	switch (f->kind) {
	case FIELD_u64:
		return msgpack_pack_uint64(pk, *(const uint64_t *)at);
	case FIELD_i64:
		return msgpack_pack_int64(pk, *(const int64_t *)at);
	case FIELD_f64:
		return msgpack_pack_double(pk, *(const double *)at);
	case FIELD_flag:
		return msgpack_pack_true(pk);
	case FIELD_str:
		return encode_text(pk, *(const char *const *)at, f->max) ? too_large(t, f, err) : 0;
	case FIELD_bin:
		if (bin->len > f->max)
			return too_large(t, f, err);
		msgpack_pack_bin(pk, bin->len);
		return msgpack_pack_bin_body(pk, bin->data, bin->len);
	case FIELD_strs:
		return encode_strs(pk, f, at) ? too_large(t, f, err) : 0;
	case FIELD_obj:
		return encode_record(pk, f->sub, *(const void *const *)at, err);
	case FIELD_list:
		return encode_list(pk, t, f, at, err);
	}
	return 0;
}

static int encode_record(msgpack_packer *pk, const struct table *t, const void *record,
			 struct err *err)
{
	size_t present = 0;

	for (size_t i = 0; i < t->n; i++)
		present += field_present(&t->fields[i], field_at(record, &t->fields[i]));
	msgpack_pack_map(pk, present);
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		const void *at = field_at(record, f);
		int rc = field_present(f, at) ? encode_field(pk, t, f, at, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int encode_into(msgpack_sbuffer *buf, enum msg_type type, const void *body, struct err *err)
{
	const struct table *t = table_of_type(type);
	msgpack_packer pk;
	int rc;

	if (!t)
		return fail(err, ERR_invalid, "no message has type %d", (int)type);
	msgpack_packer_init(&pk, buf, msgpack_sbuffer_write);
	rc = encode_record(&pk, t, body, err);
	if (!rc && buf->size > MSG_SIZE_MAX)
		rc = fail(err, ERR_invalid, "%s message of %zu bytes is over the limit of %d",
			  t->name, buf->size, MSG_SIZE_MAX);
	return rc;
}

/* The head is magic, version, type, two zero bytes, epoch (big endian), request id (26, NUL padded
 * to 28). */
#define REQUEST_AT 16
#define BODY_AT (REQUEST_AT + 28)

static void put_head(msgpack_sbuffer *buf, const struct msg_head *head)
{
	char bytes[BODY_AT] = {'D', 'R', 'V', 'R', MSG_VERSION, (char)head->type};

	for (int i = 0; i < 8; i++)
		bytes[8 + i] = (char)(head->epoch >> (56 - 8 * i));
	memcpy(bytes + REQUEST_AT, head->request, strnlen(head->request, ULID_LEN));
	msgpack_sbuffer_write(buf, bytes, sizeof(bytes));
}

static int finish(msgpack_sbuffer *buf, int rc, void **ret_data, size_t *ret_len)
{
	if (!rc) {
		*ret_len = buf->size;
		*ret_data = msgpack_sbuffer_release(buf);
	}
	msgpack_sbuffer_destroy(buf);
	return rc;
}

int msg_encode(const struct msg_head *head, const void *body, void **ret_data, size_t *ret_len,
	       struct err *err)
{
	msgpack_sbuffer buf;

	msgpack_sbuffer_init(&buf);
	put_head(&buf, head);
	return finish(&buf, encode_into(&buf, head->type, body, err), ret_data, ret_len);
}

int msg_encode_body(enum msg_type type, const void *body, void **ret_data, size_t *ret_len,
		    struct err *err)
{
	msgpack_sbuffer buf;

	msgpack_sbuffer_init(&buf);
	return finish(&buf, encode_into(&buf, type, body, err), ret_data, ret_len);
}

/* --- decoding --- */

/* Blocks of memory that die with the message; each is cut up from its start. */
struct msg_zone {
	struct msg_zone *next;
	size_t used, size;
	char bytes[] __attribute__((aligned(16)));
};

#ifdef __SANITIZE_ADDRESS__
#define ZONE_BLOCK 1 /* each piece on its own, so that a step beyond it is seen */
#else
#define ZONE_BLOCK 4000
#endif

static void *zone_take(struct msg *m, size_t size, size_t align)
{
	struct msg_zone *block = m->zone;
	size_t at = block ? (block->used + align - 1) & ~(align - 1) : 0;

	if (!block || at > block->size || size > block->size - at) {
		size_t room = size < ZONE_BLOCK ? ZONE_BLOCK : size;

		block = mem_try(1, sizeof(*block) + room);
		if (!block)
			return NULL;
		block->size = room;
		block->next = m->zone;
		m->zone = block;
		at = 0;
	}
	block->used = at + size;
	return block->bytes + at;
}

static int bad(const struct table *t, const struct field *f, const char *what, struct err *err)
{
	return fail(err, ERR_protocol, "%s.%s: %s", t->name, f->name, what);
}

static const char *decode_text(struct msg *m, const msgpack_object *o, size_t max)
{
	char *s;

	if (o->type != MSGPACK_OBJECT_STR || o->via.str.size > max ||
	    memchr(o->via.str.ptr, '\0', o->via.str.size))
		return NULL;
	s = zone_take(m, o->via.str.size + 1, 1);
	if (s)
		memcpy(s, o->via.str.ptr, o->via.str.size);
	return s;
}

static int decode_record(struct msg *m, const struct table *t, const msgpack_object *o,
			 void *record, struct err *err);

static int decode_strs(struct msg *m, const struct field *f, const msgpack_object *o,
		       struct msg_strs *ret)
{
	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size > f->max)
		return -1;
	ret->v = zone_take(m, o->via.array.size * sizeof(*ret->v), sizeof(char *));
	if (!ret->v)
		return -1;
	for (; ret->n < o->via.array.size; ret->n++) {
		ret->v[ret->n] = decode_text(m, &o->via.array.ptr[ret->n], f->max_each);
		if (!ret->v[ret->n])
			return -1;
	}
	return 0;
}

static int decode_list(struct msg *m, const struct table *t, const struct field *f,
		       const msgpack_object *o, struct field_list *ret, struct err *err)
{
	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size > f->max)
		return bad(t, f, "not a list within its limit", err);
	ret->v = zone_take(m, o->via.array.size * f->sub->size, sizeof(uint64_t));
	if (!ret->v)
		return fail(err, ERR_nomem, "%s.%s", t->name, f->name);
	for (; ret->n < o->via.array.size; ret->n++) {
		int rc = decode_record(m, f->sub, &o->via.array.ptr[ret->n],
				       (char *)ret->v + ret->n * f->sub->size, err);

		if (rc)
			return rc;
	}
	return 0;
}

static int decode_bin(struct msg *m, const struct field *f, const msgpack_object *o,
		      struct msg_bin *ret)
{
	uint8_t *copy;

	if (o->type != MSGPACK_OBJECT_BIN || o->via.bin.size > f->max)
		return -1;
	copy = zone_take(m, o->via.bin.size + 1, 1);
	if (!copy)
		return -1;
	memcpy(copy, o->via.bin.ptr, o->via.bin.size);
	ret->data = copy;
	ret->len = o->via.bin.size;
	return 0;
}

static int decode_number(const struct field *f, const msgpack_object *o, void *at)
{
	bool positive = o->type == MSGPACK_OBJECT_POSITIVE_INTEGER;

	switch (f->kind) {
	case FIELD_u64:
		if (!positive)
			return -1;
		*(uint64_t *)at = o->via.u64;
		return 0;
	case FIELD_i64:
		if (!positive && o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
			return -1;
		if (positive && o->via.u64 > INT64_MAX)
			return -1;
		*(int64_t *)at = o->via.i64;
		return 0;
	case FIELD_f64:
		if (o->type != MSGPACK_OBJECT_FLOAT64 || !(o->via.f64 - o->via.f64 == 0))
			return -1; /* NaN and infinities compare with nothing */
		*(double *)at = o->via.f64;
		return 0;
	default:
		if (o->type != MSGPACK_OBJECT_BOOLEAN)
			return -1;
		*(bool *)at = o->via.boolean;
		return 0;
	}
}

static int decode_field(struct msg *m, const struct table *t, const struct field *f,
			const msgpack_object *o, void *at, struct err *err)
{
	void *sub;

	switch (f->kind) {
	case FIELD_str:
		*(const char **)at = decode_text(m, o, f->max);
		return *(const char **)at ? 0 : bad(t, f, "not a text within its limit", err);
	case FIELD_bin:
		return decode_bin(m, f, o, at) ? bad(t, f, "not bytes within the limit", err) : 0;
	case FIELD_strs:
		return decode_strs(m, f, o, at) ? bad(t, f, "not texts within the limit", err) : 0;
	case FIELD_list:
		return decode_list(m, t, f, o, at, err);
	case FIELD_obj:
		sub = zone_take(m, f->sub->size, sizeof(uint64_t));
		if (!sub)
			return fail(err, ERR_nomem, "%s.%s", t->name, f->name);
		*(void **)at = sub;
		return decode_record(m, f->sub, o, sub, err);
	default:
		return decode_number(f, o, at) ? bad(t, f, "wrong type", err) : 0;
	}
}

static int decode_record(struct msg *m, const struct table *t, const msgpack_object *o,
			 void *record, struct err *err)
{
	uint64_t seen = 0; /* keys are below 64; table.c asserts it */

	if (o->type != MSGPACK_OBJECT_MAP)
		return fail(err, ERR_protocol, "%s: not a map", t->name);
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *kv = &o->via.map.ptr[i];
		const struct field *f;
		int rc;

		if (kv->key.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
			return fail(err, ERR_protocol, "%s: a key is not a number", t->name);
		f = table_find_key(t, kv->key.via.u64);
		if (!f)
			continue; /* a newer peer's field */
		if (seen & 1ULL << f->key)
			return bad(t, f, "given twice", err);
		seen |= 1ULL << f->key;
		rc = decode_field(m, t, f, &kv->val, (char *)record + f->offset, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int decode_body(struct msg *m, const struct table *t, const void *data, size_t len,
		       struct err *err)
{
	msgpack_unpacked unpacked;
	size_t at = 0;
	void *record;
	int rc = wire_check(data, len, MSG_DEPTH_MAX, err);

	if (rc)
		return err_wrap(err, "%s", t->name);
	record = zone_take(m, t->size, sizeof(uint64_t));
	if (!record)
		return fail(err, ERR_nomem, "%s", t->name);
	m->body = record;
	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, data, len, &at) != MSGPACK_UNPACK_SUCCESS || at != len)
		rc = fail(err, ERR_protocol, "%s: not one msgpack value", t->name);
	else
		rc = decode_record(m, t, &unpacked.data, record, err);
	msgpack_unpacked_destroy(&unpacked);
	return rc;
}

static int decode_head(const uint8_t *p, size_t len, struct msg_head *ret, struct err *err)
{
	if (len < BODY_AT || len > MSG_SIZE_MAX + BODY_AT || memcmp(p, "DRVR", 4) != 0)
		return fail(err, ERR_protocol, "not a drover message (%zu bytes)", len);
	if (p[4] != MSG_VERSION)
		return fail(err, ERR_protocol, "message version %u, this is version %d", p[4],
			    MSG_VERSION);
	ret->type = p[5];
	for (int i = 0; i < 8; i++)
		ret->epoch = ret->epoch << 8 | p[8 + i];
	memcpy(ret->request, p + REQUEST_AT, ULID_LEN);
	if (ret->request[0] && !ulid_ok(ret->request))
		return fail(err, ERR_protocol, "the request id is not a ULID");
	return 0;
}

int msg_decode(const void *data, size_t len, struct msg **ret, struct err *err)
{
	struct msg *m = mem_new_of(struct msg);
	const struct table *t;
	int rc = decode_head(data, len, &m->head, err);

	if (!rc) {
		t = table_of_type(m->head.type);
		rc = t ? decode_body(m, t, (const char *)data + BODY_AT, len - BODY_AT, err)
		       : fail(err, ERR_protocol, "no message has type %d", (int)m->head.type);
	}
	if (rc)
		msg_free(&m);
	*ret = m;
	return rc;
}

int msg_decode_body(enum msg_type type, const void *data, size_t len, struct msg **ret,
		    struct err *err)
{
	const struct table *t = table_of_type(type);
	struct msg *m;
	int rc;

	*ret = NULL;
	if (!t)
		return fail(err, ERR_protocol, "no message has type %d", (int)type);
	m = mem_new_of(struct msg);
	m->head.type = type;
	rc = decode_body(m, t, data, len, err);
	if (rc)
		msg_free(&m);
	*ret = m;
	return rc;
}

void msg_free(struct msg **msg)
{
	if (!*msg)
		return;
	while ((*msg)->zone) {
		struct msg_zone *next = (*msg)->zone->next;

		free((*msg)->zone);
		(*msg)->zone = next;
	}
	free(*msg);
	*msg = NULL;
}

/* --- copying --- */

/* One block that takes everything. The first pass, without bytes, only measures. */
struct copy {
	char *bytes;
	size_t used;
};

static void *copy_take(struct copy *c, size_t size, size_t align)
{
	size_t at = (c->used + align - 1) & ~(align - 1);

	c->used = at + size;
	return c->bytes ? c->bytes + at : NULL;
}

static const void *copy_bytes(struct copy *c, const void *from, size_t size)
{
	void *to = copy_take(c, size, 1);

	return to && size ? memcpy(to, from, size) : to;
}

static const char *copy_text(struct copy *c, const char *text)
{
	return copy_bytes(c, text ? text : "", text ? strlen(text) + 1 : 1);
}

static const void *copy_texts(struct copy *c, const struct msg_strs *strs)
{
	const char **v = copy_take(c, strs->n * sizeof(char *), sizeof(char *));

	for (size_t i = 0; i < strs->n; i++) {
		const char *text = copy_text(c, strs->v[i]);

		if (v)
			v[i] = text;
	}
	return v;
}

static void *copy_records(struct copy *c, const struct table *t, const void *from, size_t n);

/* What the field points to. All kinds that point begin with their pointer. */
static const void *copy_field(struct copy *c, const struct field *f, const void *at)
{
	const struct field_list *list = at;
	const struct msg_bin *bin = at;

	switch (f->kind) {
	case FIELD_str:
		return copy_text(c, *(const char *const *)at);
	case FIELD_strs:
		return copy_texts(c, at);
	case FIELD_bin:
		return copy_bytes(c, bin->data, bin->len);
	case FIELD_obj:
		return copy_records(c, f->sub, *(const void *const *)at, 1);
	default:
		return copy_records(c, f->sub, list->v, list->n);
	}
}

static bool points(const struct field *f, const void *at)
{
	return f->kind >= FIELD_str && field_present(f, at);
}

static void *copy_records(struct copy *c, const struct table *t, const void *from, size_t n)
{
	char *to = copy_take(c, n * t->size, sizeof(uint64_t));

	if (to && n)
		memcpy(to, from, n * t->size);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < t->n; k++) {
			const struct field *f = &t->fields[k];
			const void *v, *at = (const char *)from + i * t->size + f->offset;

			if (!points(f, at))
				continue;
			v = copy_field(c, f, at);
			if (to)
				memcpy(to + i * t->size + f->offset, &v, sizeof(v));
		}
	return to;
}

struct msg *msg_copy_try(enum msg_type type, const void *body)
{
	const struct table *t = table_of_type(type);
	struct msg *copy = mem_try(1, sizeof(*copy));
	struct copy c = {0};

	assert(t);
	copy_records(&c, t, body, 1);
	if (!copy || !(copy->zone = mem_try(1, sizeof(*copy->zone) + c.used))) {
		free(copy);
		return NULL;
	}
	copy->zone->used = copy->zone->size = c.used;
	c = (struct copy){.bytes = copy->zone->bytes};
	copy->body = copy_records(&c, t, body, 1);
	copy->head.type = type;
	return copy;
}

struct msg *msg_copy(enum msg_type type, const void *body)
{
	struct msg *copy = msg_copy_try(type, body);

	if (!copy)
		abort(); /* no memory */
	return copy;
}

struct msg_head msg_head_new(enum msg_type type, uint64_t epoch, const char *request)
{
	struct msg_head head = {.type = type, .epoch = epoch};

	if (request)
		str_copy(head.request, sizeof(head.request), request);
	else
		ulid_new(head.request, clock_wall_ms());
	return head;
}
