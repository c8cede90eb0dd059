/* iface/cpu-debug.h -- you implement this in a CPU type: registers and memory as debuggers and monitors see them. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A debugger (the remote protocol of gdb, a monitor's `info registers' and `x') looks at a CPU without knowing its kind: registers come with
 * names and gdb's types, memory by the addresses that the CPU's own instructions use.  The interface changes nothing but what it is told to change: no
 * fault is raised, no accessed bit is set, no translation is cached.
 *
 * Everything here is called [main] or on the vCPU's own thread between instructions, while the vCPU is stopped (machine.h: any run state but RUNNING, or not
 * started yet).  The caller need not hold the machine lock; what needs it takes it.  After registers were set, tell the accelerator
 * (iface/accel.h, vcpu_synchronise).  Tables and strings that are returned belong to the CPU and stay.
 */
#ifndef BACKPLANE_IFACE_CPU_DEBUG_H
#define BACKPLANE_IFACE_CPU_DEBUG_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_CPU_DEBUG_ID "bp.cpu-debug/1"

/* No register is longer. */
#define BP_DEBUG_REGISTER_BYTES 64

/* A register, as a row of gdb's target description. */
typedef struct BpDebugRegister {
  const char *name;             /* "rax", "eflags", "xmm0" */
  uint16_t bits;                /* a multiple of 8 */
  uint16_t flags;               /* BP_DEBUG_* */
  const char *type;             /* gdb's: "int64", "data_ptr", "code_ptr", "i387_ext", or one that the description defines */
  const char *group;            /* "general", "float", "vector", "system" */
  const char *feature;          /* "org.gnu.gdb.i386.core": registers of one feature follow each other */
} BpDebugRegister;

enum {
  BP_DEBUG_PC = 1 << 0,         /* the program counter */
  BP_DEBUG_SP = 1 << 1,
  BP_DEBUG_READ_ONLY = 1 << 2   /* set_register refuses it */
};

/* Where an address leads. */
typedef struct BpDebugPage {
  uint32_t struct_size;
  uint32_t flags;               /* BP_DEBUG_PAGE_* */
  uint64_t physical;            /* of the address itself */
  uint64_t page_size;           /* of the mapping; 4096 when there is no paging */
} BpDebugPage;

enum { BP_DEBUG_PAGE_WRITABLE = 1 << 0, BP_DEBUG_PAGE_EXECUTABLE = 1 << 1, BP_DEBUG_PAGE_USER = 1 << 2, BP_DEBUG_PAGE_GLOBAL = 1 << 3 };

/* Where the CPU is. */
typedef struct BpDebugPlace {
  uint32_t struct_size;
  uint32_t code_bits;           /* 16, 32, 64: how the next instruction is decoded */
  uint64_t pc;                  /* the register of that name */
  uint64_t address;             /* of the next instruction, as memory and breakpoints count: on x86 linear, with the code segment's base */
  uint64_t sp_address;          /* likewise of the stack's top */
  const char *mode;             /* "real", "virtual-8086", "protected", "compatibility", "long" */
  uint32_t privilege;           /* 0: the most */
  uint32_t halted;              /* waits for an interrupt, or (an x86 application processor) to be started */
} BpDebugPlace;

typedef struct BpCpuDebugIface {
  uint32_t struct_size;
  /* The views in which the CPU can be shown, by the name of the architecture as gdb knows it ("i386:x86-64", "i386", "i8086"); 0 is the one that
   * shows all there is.  NULL after the last. */
  const char *(*view) (void *self, unsigned view);
  /* The view's registers in the order of gdb's g packet, from number 0; NULL after the last. */
  const BpDebugRegister *(*reg) (void *self, unsigned view, unsigned number);
  /* The value, in the target's byte order; returns how many bytes it has, 0: no such register. */
  unsigned (*get_register) (void *self, unsigned view, unsigned number, uint8_t bytes[BP_DEBUG_REGISTER_BYTES]);
  /* false: no such register, a wrong size, or a value that the CPU cannot have.  As when a debugger writes it: no check of privileges, but what
   * follows from the register (mode, cached segment) follows. */
  bool (*set_register) (void *self, unsigned view, unsigned number, const uint8_t *bytes, unsigned size);
  /* A file of the view's target description in gdb's XML: "target.xml", and what that includes; NULL: no such file.  Free with g_free. */
  char *(*description) (void *self, unsigned view, const char *file);

  void (*where) (void *self, BpDebugPlace *place);      /* fills up to place->struct_size */

  /* false: nothing is mapped there.  Privileges do not count.  page->struct_size is the caller's. */
  bool (*translate) (void *self, uint64_t address, BpDebugPage *page);
  /* Memory by the CPU's addresses: how many bytes from the first on were there (of a page that is there in part, none may count).  Devices are read and written as by
   * an instruction, with what comes of it.  A write reaches ROM too, and code that was translated from the bytes is forgotten. */
  uint64_t (*read_memory) (void *self, uint64_t address, void *buffer, uint64_t size);
  uint64_t (*write_memory) (void *self, uint64_t address, const void *buffer, uint64_t size);
  /* The instruction at `address` as text, decoded for code_bits (0: as now); returns its length in bytes, at least 1 when anything is mapped: what
   * is no instruction is printed as a byte.  0: nothing is there. */
  unsigned (*disassemble) (void *self, uint64_t address, unsigned code_bits, char *text, size_t text_size);
} BpCpuDebugIface;

BP_END_DECLS
#endif
