/* char.c -- a line of characters of a test: what is written to it is kept. */
/* SPDX-License-Identifier: MIT */
#include "stand-ins.h"

static bool
attach (void *self, const BpCharHandlers *handlers, void *user)
{
  StandInChar *c = self;
  if (handlers && c->handlers)
    return false;
  c->handlers = handlers;
  c->user = user;
  return true;
}

static void
write_text (void *self, const uint8_t *data, size_t size)
{
  StandInChar *c = self;
  g_mutex_lock (&c->lock);
  g_string_append_len (c->text, (const char *) data, (gssize) size);
  g_mutex_unlock (&c->lock);
}

static void nothing (void *self) { }

static bool
configure (void *self, GError **error)
{
  StandInChar *c = self;
  g_mutex_init (&c->lock);
  c->text = g_string_new (NULL);
  return true;
}

static void
unrealize (void *self)
{
  StandInChar *c = self;
  if (c->text) {
    g_string_free (c->text, TRUE);
    g_mutex_clear (&c->lock);
  }
  c->text = NULL;
}

static const BpCharIface iface = { .struct_size = sizeof iface, .attach = attach, .write = write_text, .accept_input = nothing, .drain = nothing };
static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &iface }, { NULL, NULL } };
const BpTypeDesc stand_in_char = {
  BP_TYPE ("test-char", BP_KIND_BACKEND, StandInChar), .description = "Character backend of a test", .interfaces = interfaces,
  .configure = configure, .unrealize = unrealize
};
