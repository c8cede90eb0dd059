/* lacks-function.c -- a disk that nobody can read: its table lacks what every user calls. */
/* SPDX-License-Identifier: MIT */

#include <backplane/iface/block.h>
#include <backplane/object.h>
#include <backplane/plugin.h>

typedef struct Disk {
  int unused;
} Disk;

static void info (void *self, BpBlockInfo *info) { }

static const BpBlockIface iface = { .struct_size = sizeof iface, .info = info };
static const BpInterfaceDesc interfaces[] = { { BP_BLOCK_ID, &iface }, { NULL, NULL } };
static const BpTypeDesc type = { BP_TYPE ("lacks-function", BP_KIND_BACKEND, Disk), .description = "a disk that is not finished", .interfaces = interfaces };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "lacks-function", .version = "1.0", .licence = "MIT", .description = "a plugin that is not finished", .types = types);
