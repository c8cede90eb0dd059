/* system.h -- one run of a whole processor, from a state and a memory image to where it halts: here and under KVM the same. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A way takes a Slot: the architected state and all of memory.  Every vector of the image's IDT leads to a HLT of its own,
 * so that a run ends with the first exception; where it halted tells the vector, and the frame is in memory.  What comes back in the
 * Slot is compared with another way's.
 */
#ifndef TEST_SYSTEM_H
#define TEST_SYSTEM_H

#include <backplane/arch/x86-state.h>
#include <stdbool.h>
#include <stdint.h>

enum { SYS_PAGE = 4096, SYS_MEMORY = 0x30000 };

typedef enum RunEnd {
  RUN_HALTED,                   /* HLT */
  RUN_SHUTDOWN,                 /* triple fault */
  RUN_STUCK,                    /* went on until it was stopped */
  RUN_REFUSED,                  /* the way cannot execute this: `why` */
  RUN_CRASHED                   /* the program that was to execute it ended: `why` */
} RunEnd;

typedef struct PortAccess {
  uint16_t port;
  uint8_t size, is_write;
  uint32_t value;
} PortAccess;

enum { SYS_PORTS = 16 };

typedef struct Slot {
  BpX86State state;             /* in, out */
  RunEnd end;
  char why[80];
  uint32_t n_ports;             /* accesses; the first SYS_PORTS are kept */
  PortAccess port[SYS_PORTS];
  uint8_t memory[SYS_MEMORY] __attribute__ ((aligned (SYS_PAGE)));      /* in, out */
} Slot;

/* What IN reads, on every way. */
static inline uint32_t
sys_port_value (uint16_t port, unsigned size)
{
  return (0xa5c30f00u ^ (uint32_t) port * 0x01010101u) & (size == 4 ? ~0u : (1u << (8 * size)) - 1);
}

static inline void
sys_note_port (Slot *slot, uint16_t port, unsigned size, bool is_write, uint32_t value)
{
  if (slot->n_ports < SYS_PORTS)
    slot->port[slot->n_ports] = (PortAccess) { port, (uint8_t) size, is_write, value };
  slot->n_ports++;
}

typedef void (*SysCpuid) (uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* guest-backplane.c: a machine of this tree in a process of its own.  how: "interp", "x64". */
typedef struct Backplane Backplane;
Backplane *backplane_start (const char *how);   /* NULL: not on this host */
/* With several processors: they start alike, with RDI for their number and a stack each.  It ends when one halts. */
enum { SYS_STACK_EACH = 0x200 };
Backplane *backplane_start_cpus (const char *how, unsigned n_cpus, const char *cache, unsigned limit_ms);
void backplane_run (Backplane *b, Slot *slot);
void backplane_cpuid (Backplane *b, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
void backplane_finish (Backplane *b);

/* guest-kvm.c.  `why` says what is missing when it does not start. */
bool kvm_start (Backplane *model, const char **why);    /* with the CPUID leaves of that machine */
void kvm_run (Slot *slot);
void kvm_finish (void);

#endif
