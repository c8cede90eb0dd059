/* plugin-v1.c -- a plugin for version 1 of QEMU's interface: additions to memory of its own beside call-backs. */
/* SPDX-License-Identifier: MIT */
/*
 * Arguments: first=ADDRESS,last=ADDRESS: only instructions there; fail=on: refuses; vcpus=N: how many there have to be.
 * Runs in QEMU 4.2 to 8.2 as well, where it says the same of the same program.
 */
#define QEMU_PLUGIN_VERSION 1
#include <qemu-plugin.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static uint64_t first, last = UINT64_MAX;
static uint64_t insns[2], blocks[2], accesses[2];       /* by call-back; by addition */
static uint64_t early;                                  /* additions that came before a call-back of the same instruction */
static uint64_t loads, stores, bytes, sizes[5], extended;
static uint64_t opcodes;                                /* of the first bytes: they can be read as long as the plugin lives */
static const uint8_t *seen[16];
static unsigned n_seen, started, exited;
static int n_vcpus;

static void
count (unsigned int vcpu, void *userdata)
{
  ++*(uint64_t *) userdata;
}

static void
count_insn (unsigned int vcpu, void *userdata)
{
  early += insns[0]++ != insns[1];
}

static void
access (unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *userdata)
{
  unsigned shift = qemu_plugin_mem_size_shift (info);
  ++*(uint64_t *) userdata;
  ++*(qemu_plugin_mem_is_store (info) ? &stores : &loads);
  bytes += UINT64_C (1) << shift;
  sizes[MIN (shift, 4)]++;
  extended += qemu_plugin_mem_is_sign_extended (info) && !qemu_plugin_mem_is_store (info);
  if (qemu_plugin_mem_is_big_endian (info)) {
    qemu_plugin_outs ("big-endian?\n");
  }
}

static void
look (struct qemu_plugin_insn *insn)
{
  const uint8_t *data = qemu_plugin_insn_data (insn);
  if (n_seen < G_N_ELEMENTS (seen)) {
    seen[n_seen++] = data;
  }
  g_autofree char *text = qemu_plugin_insn_disas (insn);
  if (!text || !*text || qemu_plugin_insn_size (insn) == 0 || qemu_plugin_insn_size (insn) > 15) {
    qemu_plugin_outs ("an instruction without text or size\n");
  }
}

static void
translated (qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
  bool counted = false;
  for (size_t i = 0; i < qemu_plugin_tb_n_insns (tb); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn (tb, i);
    uint64_t address = qemu_plugin_insn_vaddr (insn);
    if (address < first || address > last) {
      continue;
    }
    if (!counted) {
      qemu_plugin_register_vcpu_tb_exec_cb (tb, count, QEMU_PLUGIN_CB_NO_REGS, &blocks[0]);
      qemu_plugin_register_vcpu_tb_exec_inline (tb, QEMU_PLUGIN_INLINE_ADD_U64, &blocks[1], 1);
      counted = true;
    }
    look (insn);
    qemu_plugin_register_vcpu_insn_exec_inline (insn, QEMU_PLUGIN_INLINE_ADD_U64, &insns[1], 1);
    qemu_plugin_register_vcpu_insn_exec_cb (insn, count_insn, QEMU_PLUGIN_CB_NO_REGS, NULL);
    qemu_plugin_register_vcpu_mem_cb (insn, access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, &accesses[0]);
    qemu_plugin_register_vcpu_mem_inline (insn, QEMU_PLUGIN_MEM_RW, QEMU_PLUGIN_INLINE_ADD_U64, &accesses[1], 1);
  }
  if (qemu_plugin_tb_get_insn (tb, qemu_plugin_tb_n_insns (tb)) || qemu_plugin_tb_vaddr (tb) != qemu_plugin_insn_vaddr (qemu_plugin_tb_get_insn (tb, 0))) {
    qemu_plugin_outs ("a block that does not hang together\n");
  }
}

static void
at_start (qemu_plugin_id_t id, unsigned int vcpu)
{
  started++;
}

static void
at_end (qemu_plugin_id_t id, unsigned int vcpu)
{
  exited++;
}

static void
at_exit (qemu_plugin_id_t id, void *userdata)
{
  g_autoptr (GString) out = g_string_new (userdata);
  for (unsigned i = 0; i < n_seen; i++) {
    opcodes += *seen[i];
  }
  g_string_append_printf (out, "%d vcpus, %u started\n", qemu_plugin_n_vcpus (), started);
  g_string_append_printf (out, "instructions %" PRIu64 " %" PRIu64 "\n", insns[0], insns[1]);
  g_string_append_printf (out, "blocks agree: %s; early additions: %" PRIu64 "\n", blocks[0] == blocks[1] ? "yes" : "no", early);
  g_string_append_printf (out, "accesses %" PRIu64 " %" PRIu64 ": %" PRIu64 " loads, %" PRIu64 " stores, %" PRIu64 " bytes, %" PRIu64 " sign-extended\n",
                          accesses[0], accesses[1], loads, stores, bytes, extended);
  g_string_append_printf (out, "of 1 2 4 8 16 bytes: %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sizes[0], sizes[1], sizes[2], sizes[3],
                          sizes[4]);
  g_string_append_printf (out, "first bytes: %s\n", opcodes ? "yes" : "no");
  qemu_plugin_outs (out->str);
}

QEMU_PLUGIN_EXPORT int
qemu_plugin_install (qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
  bool fail = false;
  for (int i = 0; i < argc; i++) {
    g_auto (GStrv) words = g_strsplit (argv[i], "=", 2);
    if (strcmp (words[0], "first") == 0) {
      first = strtoull (words[1], NULL, 0);
    } else if (strcmp (words[0], "last") == 0) {
      last = strtoull (words[1], NULL, 0);
    } else if (strcmp (words[0], "vcpus") == 0) {
      n_vcpus = atoi (words[1]);
    } else if (strcmp (words[0], "fail") != 0 || !qemu_plugin_bool_parse (words[0], words[1], &fail)) {
      return -1;
    }
  }
  if (fail || !info->system_emulation || info->version.min > 1 || (n_vcpus && info->system.smp_vcpus != n_vcpus)) {
    return 2;
  }
  qemu_plugin_register_vcpu_init_cb (id, at_start);
  qemu_plugin_register_vcpu_exit_cb (id, at_end);
  qemu_plugin_register_vcpu_tb_trans_cb (id, translated);
  qemu_plugin_register_atexit_cb (id, at_exit, (void *) "version 1\n");
  return 0;
}
