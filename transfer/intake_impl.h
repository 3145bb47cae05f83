/* SPDX-License-Identifier: MPL-2.0
 *
 * Shared by intake.c (files and data) and reference.c (pages that are here already). */
#ifndef DROVER_TRANSFER_INTAKE_IMPL_H
#define DROVER_TRANSFER_INTAKE_IMPL_H

#include "transfer/intake.h"

/* Descriptor of a staging file, which the caller closes; create: it may be new. */
int intake_open(struct intake *in, uint32_t id, bool create, struct err *err);

/* Writes the record's data pages (known: its references) from in->buf to their places. */
int intake_write(struct intake *in, const struct intake_file *file, const struct record *record,
		 bool known, struct err *err);

/* Resolves a record's references and writes them. */
int intake_references(struct intake *in, const struct intake_file *file,
		      const struct record *record, struct err *err);

#endif
