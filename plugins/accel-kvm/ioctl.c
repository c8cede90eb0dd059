/* ioctl.c -- what all calls of the kernel go through. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/ioctl.h>
#include "kvm.h"

int
kvm_ioctl (int fd, unsigned long request, const void *argument)
{
  int r;
  do
    r = ioctl (fd, request, argument);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

int
kvm_has (const Kvm *k, int capability)
{
  int fd = k->vm >= 0 ? k->vm : k->kvm;
  int r = kvm_ioctl (fd, KVM_CHECK_EXTENSION, (void *) (intptr_t) capability);
  return MAX (r, 0);
}
