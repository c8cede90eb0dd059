/* null.c -- char-null: takes everything, says nothing. */
/* SPDX-License-Identifier: MIT */
#include "stream.h"

typedef struct CharNull {
  CharBase base;
} CharNull;

/* --- life cycle --------------------------------------------------------------------------- */

static void
null_unrealize (void *self)
{
  char_stream_finish (self, false);
}

/* --- tables ------------------------------------------------------------------------------- */

static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &char_stream_iface }, { NULL, NULL } };

const BpTypeDesc char_null_type = {
  BP_TYPE ("char-null", BP_KIND_BACKEND, CharNull),
  .description = "takes all output and gives no input",
  .interfaces = interfaces,
  .unrealize = null_unrealize,
};
