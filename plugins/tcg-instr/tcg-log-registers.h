/* tcg-log-registers.h -- which registers a log shows, and which of them changed. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_LOG_REGISTERS_H
#define TCG_LOG_REGISTERS_H

#include <backplane/iface/cpu-debug.h>
#include <backplane/tcg/instrument.h>
#include "tcg-log-lines.h"

typedef struct LogRegisters LogRegisters;       /* the choice */
typedef struct LogValues LogValues;             /* one vCPU's, as they were last seen */

/* choice: "none", "general", "all", or names.  registers: what the CPU has, ended by a row without a name; general ones are those of that group but the
 * program counter.  NULL, without an error: none. */
LogRegisters *log_registers_new (const char *const *choice, const BpDebugRegister *registers, GError **error);
void log_registers_free (LogRegisters *r);
unsigned log_registers_n (const LogRegisters *r);

/* Reads a register: as bp_read_register. */
typedef unsigned LogRead (void *user, unsigned vcpu, const char *name, void *out, size_t size);

LogValues *log_values_new (const LogRegisters *r);
void log_values_free (LogValues *v);
/* Reads registers, and puts those that changed since they were read last into the line.  written: only these can have changed (numbers of
 * BpInsnRegisters); NULL: all are read. */
void log_values_update (LogValues *v, const BpInsnRegisters *written, LogRead *read, void *user, LogLine *line);

#endif
