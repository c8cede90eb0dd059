/* absent.c -- the parts of the runtime that user-mode cases never reach: weak, so that whatever is linked goes before. */
/* SPDX-License-Identifier: MIT */

#include <glib.h>

/* Only the names matter: helpers.h, which knows the types, is not included. */
#define ABSENT(name) \
  void name (void); \
  void __attribute__ ((weak)) name (void) { g_error ("%s was reached", #name); }

#define HELPER(name, result, flags, n, args) ABSENT (helper_##name)
#include "target-i386/helpers.def"
#undef HELPER

ABSENT (x86_deliver)
ABSENT (x86_host_fault)
ABSENT (x86_raise)
ABSENT (x86_raise_error)
ABSENT (x86_record_exception)
ABSENT (x86_interrupt)
ABSENT (x86_wakes)
ABSENT (x86_is_halted)
ABSENT (x86_dump)
ABSENT (x86_tlb_fill)
ABSENT (x86_set_pkru)
ABSENT (x86_set_pkrs)
ABSENT (x86_watch)
ABSENT (x86_native_portable)
ABSENT (bp_vcpu_pending)
