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

static bool is_open (void *self) { return true; }

/* --- tables ------------------------------------------------------------------------------- */

static const BpCharIface iface = {
  .struct_size = sizeof (BpCharIface),
  .attach = char_stream_attach,
  .write = char_stream_write,
  .accept_input = char_stream_accept_input,
  .drain = char_stream_drain,
  .is_open = is_open,
};
static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &iface }, { NULL, NULL } };

const BpTypeDesc char_null_type = {
  BP_TYPE ("char-null", BP_KIND_BACKEND, CharNull),
  .description = "takes all output and gives no input",
  .interfaces = interfaces,
  .unrealize = null_unrealize,
};
