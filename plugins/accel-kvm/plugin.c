/* plugin.c -- accel-kvm: vCPUs run by the host's processor, through /dev/kvm. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"


static const BpAccelIface accel_iface = {
  .struct_size = sizeof accel_iface, .debug_attach = kvm_debug_attach, .debug_insert = kvm_debug_insert, .debug_remove = kvm_debug_remove,
  .debug_resume = kvm_debug_resume, .debug_take_stop = kvm_debug_take_stop, .probe = kvm_probe
};
static const BpInterfaceDesc accel_interfaces[] = { { BP_ACCEL_ID, &accel_iface }, { BP_MSI_ID, &kvm_msi_iface }, { NULL, NULL } };
static const BpTypeDesc accel_type = {
  BP_TYPE ("accel-kvm", BP_KIND_ACCEL, Kvm), .description = "vCPUs run by the host's processor, through /dev/kvm", .interfaces = accel_interfaces
};
static const BpTypeDesc *const types[] = { &accel_type, NULL };

BP_PLUGIN_DEFINE_FLAGS (BP_PLUGIN_SAME_MINOR, .id = "accel-kvm", .version = "0.1", .licence = "MIT", .description = "KVM as accelerator", .types = types);
