/* post-port.c -- the diagnostic port of a BIOS: the codes of its power-on self test, one byte each. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/char.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include "hw-pc.h"

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct PostPort {
  uint8_t last;
  BpLink backend;
  bool exit;
  uint8_t exit_code;
  BpRegion *port;
} PostPort;

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
post_read (void *self, uint64_t offset, unsigned size)
{
  return ((PostPort *) self)->last;
}

static void
post_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  PostPort *p = self;
  char line[16];
  p->last = (uint8_t) value;
  int n = g_snprintf (line, sizeof line, "POST %02X\n", p->last);
  bp_char_write (&p->backend, (const uint8_t *) line, (size_t) n);
  bp_log_guest (p, "POST code %02x", p->last);   /* the topic of what firmware has to say */
  if (p->exit && p->last == p->exit_code)
    bp_machine_request_shutdown (bp_object_machine (p), 0, "the POST code that ends the run");
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static size_t
takes_nothing (void *user)
{
  return 0;
}

static const BpCharHandlers handlers = { .struct_size = sizeof (BpCharHandlers), .can_receive = takes_nothing };

static bool
post_realize (void *self, GError **error)
{
  PostPort *p = self;
  if (bp_char_attach (&p->backend, &handlers, p))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "its backend is in use by another device");
  p->backend = (BpLink) { NULL, NULL };
  return false;
}

static void
post_unrealize (void *self)
{
  bp_char_attach (&((PostPort *) self)->backend, NULL, NULL);
}

static void
post_reset (void *self, BpResetKind kind)
{
  ((PostPort *) self)->last = 0;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty post_properties[] = {
  BP_PROP_LINK ("backend", PostPort, backend, BP_CHAR_ID, 0, "Character backend that gets a line `POST XX' a code; none: codes are only logged."),
  BP_PROP_BOOL ("exit", PostPort, exit, false, "Whether the code given as exit-code ends the run, with exit code 0."),
  BP_PROP_U8 ("exit-code", PostPort, exit_code, 0xff, "The POST code that ends the run when exit is on."),
  BP_PROP_END
};

static const BpRegionOps post_ops = BP_REGION_OPS (.read = post_read, .write = post_write, .impl_max = 1);
static const BpRegionDesc post_regions[] = {
  BP_REGION_DESC ("pio0", PostPort, port, &post_ops, 1, "The port, 0x80 in a PC, 0x190 for test386; reads give the last code."), BP_REGION_DESC_END
};
static const BpStateField post_state[] = { BP_STATE_FIELD_U8 (PostPort, last), BP_STATE_END };

const BpTypeDesc post_port_type = {
  BP_TYPE ("post-port", BP_KIND_DEVICE, PostPort),
  .description = "Diagnostic port that shows a BIOS's POST codes",
  .properties = post_properties,
  .regions = post_regions,
  .state_version = 1,
  .state_minimum = 1,
  .state = post_state,
  .realize = post_realize,
  .unrealize = post_unrealize,
  .reset = post_reset,
};
