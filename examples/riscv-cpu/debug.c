/* debug.c -- a hart as debuggers see it: registers in gdb's order, memory, its place. */
/* SPDX-License-Identifier: MIT */
#include <backplane/memory.h>
#include <string.h>
#include "debug.h"
#include "riscv.h"

/* --- registers ---------------------------------------------------------------------------------------- */

#define CPU(name_, type_, flags_) \
  { .name = (name_), .bits = 32, .flags = (flags_), .type = (type_), .group = "general", .feature = "org.gnu.gdb.riscv.cpu" }
#define CSR(name_) { .name = (name_), .bits = 32, .type = "int", .group = "system", .feature = "org.gnu.gdb.riscv.csr" }
#define X(name) CPU (name, "int", 0)

static const BpDebugRegister registers[] = {
  X ("zero"), CPU ("ra", "code_ptr", 0), CPU ("sp", "data_ptr", BP_DEBUG_SP), CPU ("gp", "data_ptr", 0), CPU ("tp", "data_ptr", 0), X ("t0"), X ("t1"),
  X ("t2"), CPU ("fp", "data_ptr", 0), X ("s1"), X ("a0"), X ("a1"), X ("a2"), X ("a3"), X ("a4"), X ("a5"), X ("a6"), X ("a7"), X ("s2"), X ("s3"),
  X ("s4"), X ("s5"), X ("s6"), X ("s7"), X ("s8"), X ("s9"), X ("s10"), X ("s11"), X ("t3"), X ("t4"), X ("t5"), X ("t6"),
  CPU ("pc", "code_ptr", BP_DEBUG_PC),
  CSR ("mstatus"), CSR ("mie"), CSR ("mtvec"), CSR ("mscratch"), CSR ("mepc"), CSR ("mcause"), CSR ("mtval")
};
enum { NUMBER_PC = 32 };

static uint32_t *
storage (RvCpu *env, unsigned number)
{
  uint32_t *const others[] = { &env->pc, &env->mstatus, &env->mie, &env->mtvec, &env->mscratch, &env->mepc, &env->mcause, &env->mtval };
  return number < NUMBER_PC ? &env->x[number] : number < BP_N_ELEMENTS (registers) ? others[number - NUMBER_PC] : NULL;
}

static const char *view_name (void *self, unsigned view) { return view == 0 ? "riscv:rv32" : NULL; }

static const BpDebugRegister *
reg (void *self, unsigned view, unsigned number)
{
  return view == 0 && number < BP_N_ELEMENTS (registers) ? &registers[number] : NULL;
}

static unsigned
get_register (void *self, unsigned view, unsigned number, uint8_t bytes[BP_DEBUG_REGISTER_BYTES])
{
  const uint32_t *from = view == 0 ? storage (self, number) : NULL;
  if (!from)
    return 0;
  uint32_t value = GUINT32_TO_LE (*from);
  memcpy (bytes, &value, sizeof value);
  return sizeof value;
}

/* What the register cannot hold is refused: bits that are wired. */
static bool
set_register (void *self, unsigned view, unsigned number, const uint8_t *bytes, unsigned size)
{
  RvCpu *env = self;
  uint32_t value, *to = view == 0 ? storage (env, number) : NULL;
  if (!to || size != sizeof value)
    return false;
  memcpy (&value, bytes, sizeof value);
  value = GUINT32_FROM_LE (value);
  uint32_t wired = number == 0 ? ~0u : to == &env->pc || to == &env->mepc ? 3 : to == &env->mtvec ? 2 : to == &env->mie ? ~(uint32_t) MIP_ALL
                   : to == &env->mstatus ? ~(uint32_t) (MSTATUS_MIE | MSTATUS_MPIE) : 0;
  if ((value ^ *to) & wired)
    return false;
  *to = value;
  return true;
}

static char *
description (void *self, unsigned view, const char *file)
{
  const char *feature = NULL;
  if (view != 0 || strcmp (file, "target.xml") != 0)
    return NULL;
  GString *s = g_string_new ("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n"
                             "  <architecture>riscv:rv32</architecture>\n");
  for (unsigned i = 0; i < BP_N_ELEMENTS (registers); i++) {
    const BpDebugRegister *r = &registers[i];
    if (!feature || strcmp (feature, r->feature) != 0)
      g_string_append_printf (s, "%s  <feature name=\"%s\">\n", feature ? "  </feature>\n" : "", r->feature);
    feature = r->feature;
    g_string_append_printf (s, "    <reg name=\"%s\" bitsize=\"%u\" type=\"%s\" group=\"%s\" regnum=\"%u\"/>\n", r->name, r->bits, r->type, r->group, i);
  }
  g_string_append (s, "  </feature>\n</target>\n");
  return g_string_free (s, FALSE);
}

/* --- memory ----------------------------------------------------------------------------------------------- */

static bool
translate (void *self, uint64_t address, BpDebugPage *out)
{
  BpDebugPage page = { .struct_size = MIN (out->struct_size, (uint32_t) sizeof page), .flags = BP_DEBUG_PAGE_WRITABLE | BP_DEBUG_PAGE_EXECUTABLE,
                       .physical = address, .page_size = 4096 };
  if (address >> 32)
    return false;
  memcpy (out, &page, page.struct_size);
  return true;
}

/* Bytes below 4 GiB, and, since a span must be there as a whole to be read at once, those of one page. */
static uint64_t
piece (uint64_t address, uint64_t size)
{
  return address >> 32 ? 0 : MIN (size, 4096 - (address & 4095));
}

static uint64_t
read_memory (void *self, uint64_t address, void *buffer, uint64_t size)
{
  const RvCpu *env = self;
  uint64_t done = 0, n;
  for (; done < size && (n = piece (address + done, size - done)); done += n)
    if (!bp_as_read (env->memory, address + done, (uint8_t *) buffer + done, n))
      break;
  return done;
}

static uint64_t
write_memory (void *self, uint64_t address, const void *buffer, uint64_t size)
{
  const RvCpu *env = self;
  uint64_t done = 0, n;
  for (; done < size && (n = piece (address + done, size - done)); done += n)
    if (!bp_as_write_rom (env->memory, address + done, (const uint8_t *) buffer + done, n))
      break;
  return done;
}

static unsigned
disassemble (void *self, uint64_t address, unsigned code_bits, char *text, size_t text_size)
{
  uint8_t bytes[4];
  uint64_t n = read_memory (self, address, bytes, sizeof bytes);
  if (n == 0)
    return 0;
  BpTbKey key = { .pc = address };
  unsigned size = rv_frontend.disassemble (&key, address, bytes, (unsigned) n, text, text_size);
  if (size == 0)
    g_snprintf (text, text_size, ".byte 0x%02x", bytes[0]);
  return size ? size : 1;
}

/* --- where it is ---------------------------------------------------------------------------------------------- */

static void
where (void *self, BpDebugPlace *out)
{
  const RvCpu *env = self;
  BpDebugPlace place = { .struct_size = MIN (out->struct_size, (uint32_t) sizeof place), .code_bits = 32, .pc = env->pc, .address = env->pc,
                         .sp_address = env->x[2], .mode = "machine", .privilege = 0, .halted = env->halted };
  memcpy (out, &place, place.struct_size);
}

const BpCpuDebugIface rv_debug = {
  .struct_size = sizeof (BpCpuDebugIface), .view = view_name, .reg = reg, .get_register = get_register, .set_register = set_register,
  .description = description, .where = where, .translate = translate, .read_memory = read_memory, .write_memory = write_memory,
  .disassemble = disassemble
};
