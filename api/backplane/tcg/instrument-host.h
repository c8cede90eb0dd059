/* tcg/instrument-host.h -- you implement this in an accelerator that can be instrumented. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The calls of tcg/instrument.h, where each is described, as a table.  Instruments do not use it by themselves.
 */
#ifndef BACKPLANE_TCG_INSTRUMENT_HOST_H
#define BACKPLANE_TCG_INSTRUMENT_HOST_H

#include <backplane/tcg/instrument-told.h>
BP_BEGIN_DECLS

#define BP_INSTRUMENT_HOST_ID "bp.instrument-host/1"

/* When an instrument runs: the descriptor's `start' and `stop' keys, which bp_instrument_attach reads. */
typedef enum BpInstrumentWhen { BP_WHEN_NOW, BP_WHEN_MARKER, BP_WHEN_ADDRESS, BP_WHEN_NEVER } BpInstrumentWhen;
typedef struct BpInstrumentControl {
  uint32_t struct_size;
  BpInstrumentWhen start, stop; /* start NEVER: until somebody says so; stop NOW is not used */
  uint64_t start_address, stop_address;         /* virtual, of an instruction: before it is executed */
  uint32_t patience_ms;         /* how long a vCPU waits for a consumer before records are dropped */
} BpInstrumentControl;

typedef struct BpInstrumentHost {
  uint32_t struct_size;
  BpInstrument *(*attach) (void *accel, void *self, const BpInstrumentOps *ops, void *user, const BpInstrumentControl *control, GError **error);
  void (*detach) (BpInstrument *instrument);
  void (*set_running) (BpInstrument *instrument, bool running);
  bool (*is_running) (BpInstrument *instrument, unsigned vcpu);
  void (*select) (BpInstrument *instrument, const uint64_t *spaces, size_t n);
  void (*flush) (BpInstrument *instrument);
  unsigned (*n_vcpus) (BpInstrument *instrument);
  /* blocks */
  unsigned (*block_n_insns) (const BpInstrBlock *block);
  const BpInsn *(*block_insn) (const BpInstrBlock *block, unsigned insn);
  void (*block_count) (BpInstrBlock *block, unsigned insn, BpCounter counter, uint64_t n);
  void (*block_count_memory) (BpInstrBlock *block, unsigned insn, unsigned which, BpCounter counter, uint64_t n);
  void (*block_call) (BpInstrBlock *block, unsigned insn, const BpCondition *condition, BpInsnCall *call, void *data, unsigned registers);
  void (*block_call_memory) (BpInstrBlock *block, unsigned insn, unsigned which, BpAccessCall *call, void *data, unsigned registers);
  void (*block_record) (BpInstrBlock *block, unsigned insn, BpRecordKind kind, BpFilter filter, uint32_t line_bytes, uint32_t user);
  void (*block_store_immediate) (BpInstrBlock *block, unsigned insn, BpCounter counter, uint64_t value);
  /* counters, filters */
  BpCounter (*counter_new) (BpInstrument *instrument, unsigned flags);
  BpCounter (*scoreboard_new) (BpInstrument *instrument, size_t bytes);
  void *(*counter_at) (BpInstrument *instrument, BpCounter counter, unsigned vcpu);
  uint64_t (*counter_get) (BpInstrument *instrument, BpCounter counter, unsigned vcpu);
  BpFilter (*filter_new) (BpInstrument *instrument, const BpFilterDesc *desc, GError **error);
  void (*filter_clear) (BpInstrument *instrument, BpFilter filter, unsigned vcpu);
  /* the guest */
  const BpSite *(*sites) (BpInstrument *instrument);
  unsigned (*disassemble) (BpInstrument *instrument, const BpInsn *insn, char *out, size_t size);
  bool (*registers) (BpInstrument *instrument, const BpInsn *insn, BpInsnRegisters *out);
  bool (*symbol) (BpInstrument *instrument, const BpInsn *insn, BpSymbol *out);
  unsigned (*read_register) (BpInstrument *instrument, unsigned vcpu, const char *name, void *out, size_t size);
  bool (*write_register) (BpInstrument *instrument, unsigned vcpu, const char *name, const void *value, size_t size);
  bool (*read_memory) (BpInstrument *instrument, unsigned vcpu, uint64_t address, void *out, size_t size);
  bool (*write_memory) (BpInstrument *instrument, unsigned vcpu, uint64_t address, const void *data, size_t size);
  bool (*read_physical) (BpInstrument *instrument, uint64_t physical, void *out, size_t size);
  bool (*write_physical) (BpInstrument *instrument, uint64_t physical, const void *data, size_t size);
  bool (*translate) (BpInstrument *instrument, unsigned vcpu, uint64_t address, uint64_t *physical);
  uint64_t (*space) (BpInstrument *instrument, unsigned vcpu);
  /* Since 0.2, may be left out: whether it was running at any time since it was attached; a report says when it was not. */
  bool (*has_run) (BpInstrument *instrument);
} BpInstrumentHost;

/* What an instrument holds of its host. */
struct BpInstrument {
  const BpInstrumentHost *host;
};

BP_END_DECLS
#endif
