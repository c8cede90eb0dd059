/* plugin-v4.c -- a plugin for version 4 of QEMU's interface: registers, memory, values of accesses, where they lead. */
/* SPDX-License-Identifier: MIT */
/* Arguments: at=ADDRESS: of an instruction, before which registers and memory are told; first=, last=: accesses of these instructions are told. */
#define QEMU_PLUGIN_VERSION 4
#include <qemu/qemu-plugin.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static uint64_t at, first = 1, last;
static struct qemu_plugin_register *eax, *pc;
static unsigned n_registers;

static void
find_registers (qemu_plugin_id_t id, unsigned int vcpu)
{
  g_autoptr (GArray) rows = qemu_plugin_get_registers ();
  n_registers = rows->len;
  for (unsigned i = 0; i < rows->len; i++) {
    const qemu_plugin_reg_descriptor *r = &g_array_index (rows, qemu_plugin_reg_descriptor, i);
    if (strcmp (r->name, "eax") == 0 || strcmp (r->name, "rax") == 0) {
      eax = r->handle;
    } else if (strcmp (r->name, "eip") == 0 || strcmp (r->name, "rip") == 0) {
      pc = r->handle;
    }
  }
}

static uint32_t
low_word (struct qemu_plugin_register *r, int *result)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  uint32_t value = 0;
  *result = r ? qemu_plugin_read_register (r, bytes) : 0;
  if (*result >= 4 && bytes->len == (unsigned) *result) {
    memcpy (&value, bytes->data, sizeof value);
  }
  return value;
}

static void
tell (unsigned int vcpu, void *userdata)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GString) out = g_string_new (NULL);
  int sizes[2];
  uint32_t values[2] = { low_word (eax, &sizes[0]), low_word (pc, &sizes[1]) };
  bool is_there = qemu_plugin_read_memory_vaddr (at, bytes, 3);
  g_string_printf (out, "eax %s 0x%" PRIx32 ", pc 0x%" PRIx32 ", bytes", sizes[0] > 0 ? "is" : "is not there:", values[0], values[1]);
  for (unsigned i = 0; is_there && i < bytes->len; i++) {
    g_string_append_printf (out, " %02x", bytes->data[i]);
  }
  g_string_append_printf (out, ", and at the top: %s\n", qemu_plugin_read_memory_vaddr (0x1000, bytes, 0) ? "yes" : "no");
  qemu_plugin_outs (out->str);
}

static void
tell_without (unsigned int vcpu, void *userdata)
{
  int result;
  low_word (eax, &result);
  qemu_plugin_outs (result == -1 ? "without QEMU_PLUGIN_CB_R_REGS: no registers\n" : "registers where none were asked for\n");
}

static const char *
print (GString *out, qemu_plugin_mem_value v)
{
  switch (v.type) {
  case QEMU_PLUGIN_MEM_VALUE_U8: g_string_append_printf (out, "%02x", v.data.u8); break;
  case QEMU_PLUGIN_MEM_VALUE_U16: g_string_append_printf (out, "%04x", v.data.u16); break;
  case QEMU_PLUGIN_MEM_VALUE_U32: g_string_append_printf (out, "%08" PRIx32, v.data.u32); break;
  case QEMU_PLUGIN_MEM_VALUE_U64: g_string_append_printf (out, "%016" PRIx64, v.data.u64); break;
  case QEMU_PLUGIN_MEM_VALUE_U128: g_string_append_printf (out, "%016" PRIx64 "%016" PRIx64, v.data.u128.high, v.data.u128.low); break;
  }
  return out->str;
}

static void
tell_access (unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *userdata)
{
  g_autoptr (GString) out = g_string_new (NULL);
  struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr (info, address);
  g_string_append_printf (out, "%s 0x%" PRIx64 " at 0x%" PRIx64 " in %s%s: ", qemu_plugin_mem_is_store (info) ? "store" : "load", address,
                          qemu_plugin_hwaddr_phys_addr (where), qemu_plugin_hwaddr_device_name (where), qemu_plugin_hwaddr_is_io (where) ? " (I/O)" : "");
  print (out, qemu_plugin_mem_get_value (info));
  qemu_plugin_outs (g_string_append_c (out, '\n')->str);
}

static void
translated (qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
  for (size_t i = 0; i < qemu_plugin_tb_n_insns (tb); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn (tb, i);
    uint64_t address = qemu_plugin_insn_vaddr (insn);
    uint8_t byte = 0;
    if (qemu_plugin_insn_data (insn, &byte, 1) != 1) {
      qemu_plugin_outs ("an instruction without bytes\n");
    }
    if (address == at) {
      qemu_plugin_register_vcpu_insn_exec_cb (insn, tell, QEMU_PLUGIN_CB_R_REGS, NULL);
      qemu_plugin_register_vcpu_insn_exec_cb (insn, tell_without, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
    if (address >= first && address <= last) {
      qemu_plugin_register_vcpu_mem_cb (insn, tell_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
    }
  }
}

static void
at_exit (qemu_plugin_id_t id, void *userdata)
{
  qemu_plugin_outs (n_registers > 16 && eax && pc ? "there are registers\n" : "registers are missing\n");
  qemu_plugin_outs (qemu_plugin_path_to_binary () || qemu_plugin_start_code () || qemu_plugin_end_code () || qemu_plugin_entry_code () ? "a program\n" : "no program\n");
}

QEMU_PLUGIN_EXPORT int
qemu_plugin_install (qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
  static const struct { const char *name; uint64_t *value; } options[] = { { "at", &at }, { "first", &first }, { "last", &last } };
  for (int i = 0; i < argc; i++) {
    g_auto (GStrv) words = g_strsplit (argv[i], "=", 2);
    for (unsigned k = 0; k < G_N_ELEMENTS (options); k++) {
      if (strcmp (words[0], options[k].name) == 0) {
        *options[k].value = strtoull (words[1], NULL, 0);
      }
    }
  }
  const void *control = qemu_plugin_request_time_control ();
  qemu_plugin_update_ns (control, 1000);
  qemu_plugin_register_vcpu_init_cb (id, find_registers);
  qemu_plugin_register_vcpu_tb_trans_cb (id, translated);
  qemu_plugin_register_atexit_cb (id, at_exit, NULL);
  return 0;
}
