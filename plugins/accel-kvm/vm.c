/* vm.c -- the virtual machine: /dev/kvm, what it can do, its file descriptors. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define API_VERSION 12
#define DEFAULT_DEVICE "/dev/kvm"

/* --- the device ---------------------------------------------------------------------------- */

/* What would let this user in: the device's group, when that may open it. */
static char *
permission_help (const char *path)
{
  struct stat st;
  if (stat (path, &st) < 0)
    return g_strdup ("ask the administrator for access");
  const struct group *g = st.st_gid ? getgrgid (st.st_gid) : NULL;
  if ((st.st_mode & 060) != 060 || !st.st_gid)
    return g_strdup_printf ("only its owner may open it: as root, `chgrp kvm %s && chmod 660 %s`, and become a member of group kvm", path, path);
  if (!g)
    return g_strdup_printf ("it is for members of group %u", (unsigned) st.st_gid);
  return g_strdup_printf ("it is for members of group `%s`: `sudo usermod -aG %s %s`, then log in again", g->gr_name, g->gr_name, g_get_user_name ());
}

static void
explain_open (const char *path, int error_number, GError **error)
{
  g_autofree char *help = NULL;
  switch (error_number) {
  case ENOENT:
    help = g_strdup ("the host's KVM is not loaded (`sudo modprobe kvm_intel` or kvm_amd), or virtualisation is switched off in its firmware");
    break;
  case EACCES:
  case EPERM:
    help = permission_help (path);
    break;
  case ENODEV:
  case ENXIO:
    help = g_strdup ("the host's KVM finds no virtualisation in this processor, or it is switched off in its firmware");
    break;
  case EBUSY:
    help = g_strdup ("another hypervisor has the processor");
    break;
  default:
    help = g_strdup ("accel-tcg needs nothing of the host");
  }
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot open %s: %s; %s", path, g_strerror (error_number), help);
}

/* Without one of these nothing would be right; all are there since Linux 4.12. */
static const struct {
  int number;
  const char *name;
} needed[] = {
  { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
  { KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "KVM_CAP_DESTROY_MEMORY_REGION_WORKS" },
  { KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "KVM_CAP_JOIN_MEMORY_REGIONS_WORKS" },
  { KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
  { KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
  { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
  { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
  { KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
  { KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS" },
  { KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
  { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static bool
check (const char *path, int fd, GError **error)
{
  int version = kvm_ioctl (fd, KVM_GET_API_VERSION, NULL);
  if (version < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s is not KVM's device: %s", path, g_strerror (-version));
    return false;
  }
  if (version != API_VERSION) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s speaks version %d of KVM's interface, and this program version %d", path, version, API_VERSION);
    return false;
  }
  for (unsigned i = 0; i < BP_N_ELEMENTS (needed); i++) {
    if (kvm_ioctl (fd, KVM_CHECK_EXTENSION, (void *) (intptr_t) needed[i].number) > 0)
      continue;
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "the KVM of this host lacks %s; a kernel from 4.12 on has it on processors that virtualise x86",
                 needed[i].name);
    return false;
  }
  return true;
}

static int
open_checked (const char *path, GError **error)
{
  int fd = open (path, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    explain_open (path, errno, error);
    return -1;
  }
  if (check (path, fd, error))
    return fd;
  close (fd);
  return -1;
}

bool
kvm_probe (GError **error)
{
  int fd = open_checked (DEFAULT_DEVICE, error);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

/* --- the virtual machine ------------------------------------------------------------------- */

bool
kvm_vm_open (Kvm *k, GError **error)
{
  k->vm = -1;
  k->kvm = open_checked (k->device, error);
  if (k->kvm < 0)
    return false;
  k->vm = kvm_ioctl (k->kvm, KVM_CREATE_VM, NULL);
  if (k->vm >= 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "KVM makes no virtual machine (%s): %s", k->device, g_strerror (-k->vm));
  k->vm = -1;
  kvm_vm_close (k);
  return false;
}

void
kvm_vm_close (Kvm *k)
{
  if (k->vm >= 0)
    close (k->vm);
  if (k->kvm >= 0)
    close (k->kvm);
  k->vm = k->kvm = -1;
}

/* --- pages that KVM needs for itself ------------------------------------------------------- */

/* Intel processors that do not run real mode by themselves need a TSS of three pages and an identity map of one somewhere in the guest's memory.  SeaBIOS
 * keeps the four pages below its ROM of 256 KiB free for them. */
#define OWN_PAGES 4
#define OWN_PAGES_AT UINT64_C (0xfffbc000)
#define OWN_PAGES_LEAST UINT64_C (0xf0000000)

static bool
is_free (Kvm *k, uint64_t address)
{
  for (unsigned i = 0; i < OWN_PAGES; i++) {
    const BpFlatRange *r = bp_as_lookup (k->memory, address + i * 4096);
    bool is_ram = r && r->host;
    if (r)
      bp_as_leave (k->memory);
    if (is_ram)
      return false;
  }
  return true;
}

static bool
place_own_pages (Kvm *k, GError **error)
{
  uint64_t at = OWN_PAGES_AT;
  while (at > OWN_PAGES_LEAST && !is_free (k, at))
    at -= OWN_PAGES * 4096;
  int r = kvm_has (k, KVM_CAP_SET_IDENTITY_MAP_ADDR) ? kvm_ioctl (k->vm, KVM_SET_IDENTITY_MAP_ADDR, &at) : 0;
  if (r >= 0)
    r = kvm_ioctl (k->vm, KVM_SET_TSS_ADDR, (void *) (uintptr_t) (at + 4096));
  if (r < 0)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "KVM does not take the place of its own four pages, 0x%" G_GINT64_MODIFIER "x: %s", at, g_strerror (-r));
  return r >= 0;
}

bool
kvm_vm_begin (Kvm *k, GError **error)
{
  BpMachine *machine = bp_object_machine (k);
  k->memory = bp_machine_address_space (machine, "memory");
  k->io = bp_machine_address_space (machine, "io");
  if (!kvm_cpuid_init (k, error) || !place_own_pages (k, error) || !kvm_irqchip_init (k, error))
    return false;
  kvm_late_init (k);
  if (!kvm_slots_init (k, error))
    return false;
  kvm_doorbells_init (k);
  return true;
}
