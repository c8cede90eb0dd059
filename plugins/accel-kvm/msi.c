/* msi.c -- messages to local APICs in the kernel; irqfd. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

const BpMsiIface kvm_msi_iface = { .struct_size = sizeof kvm_msi_iface };
