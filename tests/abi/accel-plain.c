/* accel-plain.c -- an accelerator that runs on every host, but neither counts instructions nor can be instrumented. */
/* SPDX-License-Identifier: MIT */

#include <backplane/iface/accel.h>
#include <backplane/object.h>
#include <backplane/plugin.h>

typedef struct Plain {
  int unused;
} Plain;

static void
run (void *self, BpVcpu *vcpu)
{
  while (bp_vcpu_may_run (vcpu))
    bp_vcpu_wait (vcpu);
}

static void kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id) { }

static const BpAccelIface iface = { .struct_size = sizeof iface, .vcpu_run = run, .vcpu_kick = kick };
static const BpInterfaceDesc interfaces[] = { { BP_ACCEL_ID, &iface }, { NULL, NULL } };
static const BpTypeDesc type = { BP_TYPE ("accel-plain", BP_KIND_ACCEL, Plain), .description = "stands still", .interfaces = interfaces };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE_FLAGS (BP_PLUGIN_SAME_MINOR, .id = "accel-plain", .version = "1.0", .licence = "MIT", .description = "an accelerator that can do little", .types = types);
