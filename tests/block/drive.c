/* drive.c -- a machine of one disk: described, started, stopped. */
/* SPDX-License-Identifier: MIT */
#include "drive.h"
#include "../types.h"
#include "block-backends/block-backends.h"
#include "block-test.h"

BpMachine *m;
static Descriptor *d;
Drive *drive;

/* --- the device ---------------------------------------------------------------------------------------- */

static void
drive_changed (void *user)
{
  ((Drive *) user)->n_changed++;
}

static bool
drive_may_eject (void *user)
{
  return !((Drive *) user)->door_locked;
}

static bool
drive_realize (void *self, GError **error)
{
  static const BpBlockHandlers handlers = { sizeof handlers, drive_changed, drive_may_eject, NULL };
  if (bp_block_attach (&((Drive *) self)->backend, &handlers, self))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the backend is in use");
  return false;
}

static void
drive_unrealize (void *self)
{
  bp_block_attach (&((Drive *) self)->backend, NULL, NULL);
}

static const BpProperty drive_properties[] = { BP_PROP_LINK ("backend", Drive, backend, BP_BLOCK_ID, 0, "The backend."), BP_PROP_END };
static const BpTypeDesc drive_type = { BP_TYPE ("test-drive", BP_KIND_DEVICE, Drive), .description = "a drive", .properties = drive_properties,
                                       .realize = drive_realize, .unrealize = drive_unrealize };

/* --- the machine --------------------------------------------------------------------------------------- */

void
drive_enter (void)
{
  static const BpTypeDesc *const types[] = { &block_image_type, &drive_type, NULL };
  types_register (types);
  block_enter ();
}

void
drive_leave (void)
{
  drive_stop ();
  g_clear_pointer (&d, descriptor_free);
  block_leave ();
}

void
drive_describe (const char *keys)
{
  g_autofree char *text = g_strdup_printf ("[device drive]\ntype = test-drive\nbackend = b\n[backend b]\ntype = block-image\n%s\n", keys);
  g_clear_pointer (&d, descriptor_free);
  ck_assert (g_file_set_contents ("m.ini", text, -1, NULL));
  d = descriptor_load ("m.ini", NULL);
}

char *
drive_start (void)
{
  g_autoptr (GError) error = NULL;
  m = machine_build (d);
  if (!m)
    return g_strdup (d->errors->pdata[0]);
  if (!machine_realize (m, &error))
    return g_strdup (error->message);
  drive = bp_machine_find (m, "drive");
  return NULL;
}

void
drive_stop (void)
{
  g_clear_pointer (&m, machine_free);
}
