/* fake-machine.h -- the gdb server's commands over two CPUs of a few registers and 64 KiB, without core, accelerator and sockets. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DEBUG_GDB_FAKE_MACHINE_H
#define TESTS_DEBUG_GDB_FAKE_MACHINE_H

#include "debug-gdb/gdb.h"

#define FAKE_BASE 0x10000u      /* what is mapped */
#define FAKE_SIZE 0x10000u
#define FAKE_LONG UINT64_C (0x7700000000)       /* what its code segment's base is, to a CPU that has one */

typedef struct FakeCpu {
  uint32_t a;
  uint64_t sp, pc, base;
  uint8_t v[16];
  bool halted;
  /* what the accelerator was told, and what it says when asked */
  BpDebugResume how;
  BpDebugStop stop;
  bool has_stop;
} FakeCpu;

typedef struct FakeMachine {
  FakeCpu cpu[2];
  uint8_t memory[FAKE_SIZE];
  BpRunState state;
  unsigned n_points, n_resets, n_shutdowns, n_synchronised;
  bool has_debugger, has_console, closed;
  GString *sent;                /* data of each packet, a line each */
  char *listened;               /* the console's last command */
} FakeMachine;

extern FakeMachine fake;
extern GdbServer server;

void fake_begin (void);
void fake_end (void);
/* One packet's data; what was sent meanwhile. */
const char *fake_ask (const char *data);
const char *fake_ask_bytes (const char *data, size_t size);
/* The machine stops by itself, as the server's event handler sees it. */
const char *fake_stops (unsigned cpu, BpDebugKind kind, uint64_t address);

#endif
