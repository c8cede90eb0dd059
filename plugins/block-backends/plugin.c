/* plugin.c -- block-backends: what is on a machine's disks. */
/* SPDX-License-Identifier: MIT */
#include "block-backends.h"
#include <backplane/plugin.h>
#include <signal.h>

/* A file that must not grow any more is a full disk, an error of the guest's, and not the end of the program. */
static bool
load (GError **error)
{
  signal (SIGXFSZ, SIG_IGN);
  return true;
}

static const BpTypeDesc *const types[] = { &block_image_type, &block_faults_type, NULL };

BP_PLUGIN_DEFINE (.id = "block-backends", .version = "1.0", .licence = "MIT", .description = "disk contents: image files, raw and qcow2",
                  .types = types, .load = load);
