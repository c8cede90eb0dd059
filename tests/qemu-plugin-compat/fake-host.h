/* fake-host.h -- a host for one plugin: two vCPUs that "run" blocks of instructions which the test makes up. */
/* SPDX-License-Identifier: MIT */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <backplane/object.h>
#include <backplane/tcg/instrument.h>

#define FAKE_VCPUS 2
#define FAKE_MEMORY 4096        /* bytes of guest memory, from address 0x1000 on; physical addresses are 0x100000 higher */
#define FAKE_DEVICE 0x9000      /* accesses there are to a device */

typedef struct FakeAccess {
  uint64_t address, value;
  uint32_t bytes;
  bool is_store;
} FakeAccess;

typedef struct FakeInsn {
  BpInsn insn;
  FakeAccess access[4];
  unsigned n_accesses;
  bool faults;
} FakeInsn;

typedef struct FakeBlock FakeBlock;

typedef struct FakeHost {
  uint64_t rax[FAKE_VCPUS], rip[FAKE_VCPUS];
  uint8_t memory[FAKE_MEMORY];
  size_t words_left;            /* how much memory for scoreboards there is */
  bool no_attach;
  bool running;
  unsigned n_calls;             /* of any kind that were made */
  GString *log;                 /* warnings, and what is not served */
  GString *report;              /* "key: text" by line */
  bool is_over;                 /* the machine has shut down */
  unsigned current;             /* which vCPU's thread this is */
} FakeHost;

extern FakeHost fake;

void fake_begin (void);
void fake_end (void);
/* An instrument as the core makes one: pairs of a property's name and text, NULL.  NULL, with error: realize failed, and unrealize was called. */
void *fake_new (GError **error, ...) G_GNUC_NULL_TERMINATED;
void fake_free (void *self);
/* 4 bytes each from `address' on. */
FakeInsn fake_insn (uint64_t address, const char *bytes);
FakeBlock *fake_translate (FakeInsn *insns, unsigned n);        /* lives until fake_end */
void fake_run (unsigned vcpu, FakeBlock *block);
void fake_vcpu (unsigned vcpu, BpVcpuEvent event);
void fake_jump (unsigned vcpu, BpJumpKind kind, uint64_t from, uint64_t to);
const char *fake_report (bool is_last);

#endif
