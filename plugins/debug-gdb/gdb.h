/* gdb.h -- the gdb server: its state, and what its files share. */
/* SPDX-License-Identifier: MIT */
/*
 * server.c has the type, the connection and the machine's events; commands.c, queries.c and resume.c answer packets; target.c does what they mean.  All of it runs on
 * the main loop's thread without the machine lock, but for on_vcpu_stopped.  While a client is connected the server is the accelerator's debugger.
 */
#ifndef DEBUG_GDB_GDB_H
#define DEBUG_GDB_GDB_H

#include <backplane/device.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/cpu-debug.h>
#include <backplane/log.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <backplane/socket.h>
#include "packet.h"

/* A thread, to gdb: its number is the CPU's, from 1. */
typedef struct GdbCpu {
  void *cpu;
  BpVcpu *vcpu;
  const BpCpuDebugIface *iface;
  BpDebugStop stop;             /* while has_stop: why it stopped, which gdb has not been told yet */
  bool has_stop;
  bool over;                    /* gdb was told that it stands at `told': a breakpoint there has been seen */
  uint64_t told;
} GdbCpu;

/* What QEMU's clients set with Qqemu.sstep; time stands between steps in any case. */
enum { STEP_ENABLE = 1, STEP_NO_INTERRUPTS = 2, STEP_NO_TIMERS = 4 };

typedef struct GdbServer {
  /* wiring */
  char *listen, *architecture;
  /* derived */
  BpMachine *machine;
  void *accel;
  const BpAccelIface *accel_iface;
  GArray *cpus;                 /* of GdbCpu */
  unsigned watch;
  BpListener *listener;
  int peer;                     /* a descriptor, -1 without */
  GSource *read_source, *write_source;
  /* a connection */
  GdbReader reader;
  GString *out;                 /* bytes that the client has not taken yet */
  GString *last;                /* the last packet sent, for when it asks again */
  bool acks, closing;
  bool waiting;                 /* for the machine to stop: it is owed a reply */
  bool names_breaks;            /* the client knows swbreak and hwbreak */
  bool physical;                /* addresses of memory are physical */
  unsigned view;                /* of the CPUs' registers */
  unsigned current;             /* CPU that commands are about, and that stopped last */
  unsigned resumed;             /* Hc: CPU for c and s; ALL_CPUS */
  unsigned step;                /* STEP_* */
} GdbServer;

#define ALL_CPUS (~0u)

static inline GdbCpu *gdb_cpu (GdbServer *s, unsigned i) { return &g_array_index (s->cpus, GdbCpu, i); }

/* server.c */
void gdb_send (GdbServer *s, const char *text);
void gdb_send_bytes (GdbServer *s, const char *data, size_t size);
void gdb_send_string (GdbServer *s, GString *text);     /* and frees it */
void gdb_send_console (GdbServer *s, const char *text); /* what the client prints; it must be waiting for a reply */
void gdb_close (GdbServer *s);                          /* when all that is to be said has been */
#define GDB_OK "OK"
#define GDB_EINVAL "E16"
#define GDB_EFAULT "E0e"

/* commands.c: one packet */
void gdb_command (GdbServer *s, const char *text, size_t size);
/* Thread as gdb writes it: ALL_CPUS for all, 0 or "any": the current one; false: no such one. */
bool gdb_thread (GdbServer *s, const char **text, unsigned *cpu);

/* queries.c: q, Q and v packets; false: not known */
bool gdb_query (GdbServer *s, const char *text);
bool gdb_set (GdbServer *s, const char *text);
bool gdb_verbose (GdbServer *s, const char *text);

/* resume.c */
void gdb_resume (GdbServer *s, const char *text);       /* c C s S */
bool gdb_vcont (GdbServer *s, const char *text);        /* behind "vCont" */
void gdb_report_stop (GdbServer *s);    /* the reply to ?, and to what made the machine run */

/* target.c */
bool gdb_attach (GdbServer *s);
void gdb_detach (GdbServer *s);         /* forgets all points; the machine stands or runs as before */
void gdb_collect_stops (GdbServer *s);  /* after the machine has stopped */
void gdb_registers_changed (GdbServer *s, GdbCpu *c);
uint64_t gdb_pc (GdbServer *s, GdbCpu *c);
bool gdb_set_pc (GdbServer *s, GdbCpu *c, uint64_t pc);
uint64_t gdb_read (GdbServer *s, uint64_t address, void *buffer, uint64_t size);       /* bytes that were there */
uint64_t gdb_write (GdbServer *s, uint64_t address, const void *buffer, uint64_t size);
bool gdb_point (GdbServer *s, bool insert, unsigned kind, uint64_t address, uint64_t size);
int gdb_view_by_name (GdbServer *s, const char *name);  /* -1: the CPUs have no such one */

extern const BpTypeDesc gdb_server_type;

#endif
