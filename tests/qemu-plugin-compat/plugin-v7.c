/* plugin-v7.c -- a plugin for version 7 of QEMU's interface: user data everywhere, jumps, registers written, resets, and its own end. */
/* SPDX-License-Identifier: MIT */
/*
 * Arguments: reset=N: resets itself at the N-th block, and from then on counts anew; remove=N: removes itself at the N-th block;
 * poke=ADDRESS: of an instruction, before which eax becomes 0x1234; skip=ADDRESS,to=ADDRESS: from one to the other; quit: removes itself then;
 * drop: removes itself when a block is translated; thread: speaks from another one.
 */
#include <plugins/qemu-plugin.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static qemu_plugin_id_t self;
static uint64_t reset_at, remove_at, poke, skip, to;
static uint64_t blocks, interrupts, exceptions, jumped_from, skipped;
static unsigned n_listed;
static bool threaded, quits, drops;
static struct qemu_plugin_register *eax;
static char data[16] = "data";

static void translated (struct qemu_plugin_tb *tb, void *userdata);

static void
check (const void *userdata)
{
  if (userdata != data) {
    qemu_plugin_outs ("user data is not what was registered\n");
  }
}

static void
after_reset (void *userdata)
{
  check (userdata);
  qemu_plugin_outs ("reset\n");
  reset_at = 0;
  qemu_plugin_register_vcpu_tb_trans_cb (self, translated, data);
}

static void
after_removal (void *userdata)
{
  check (userdata);
  qemu_plugin_outs ("removed\n");
}

static void
at_block (unsigned int vcpu, void *userdata)
{
  check (userdata);
  blocks++;
  if (reset_at && blocks == reset_at) {
    qemu_plugin_reset (self, after_reset, data);
    qemu_plugin_reset (self, after_reset, data);        /* once is enough */
  }
  if (remove_at && blocks == remove_at) {
    qemu_plugin_uninstall (self, after_removal, data);
  }
}

static void
write_eax (unsigned int vcpu, void *userdata)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  static const uint8_t value[4] = { 0x34, 0x12, 0, 0 };
  bool was_read = qemu_plugin_read_register (eax, bytes) && bytes->len >= sizeof value;
  if (was_read) {
    memset (bytes->data, 0, bytes->len);
    memcpy (bytes->data, value, sizeof value);
  }
  qemu_plugin_outs (was_read && qemu_plugin_write_register (eax, bytes) ? "eax is written\n" : "eax is not written\n");
}

static void
go (unsigned int vcpu, void *userdata)
{
  skipped++;
  if (quits) {
    qemu_plugin_uninstall (self, after_removal, data);
  }
  qemu_plugin_set_pc (to);
}

static void
jumped (unsigned int vcpu, enum qemu_plugin_discon_type type, uint64_t from, uint64_t where, void *userdata)
{
  check (userdata);
  interrupts += type == QEMU_PLUGIN_DISCON_INTERRUPT;
  exceptions += type == QEMU_PLUGIN_DISCON_EXCEPTION;
  jumped_from = from;
}

static void
translated (struct qemu_plugin_tb *tb, void *userdata)
{
  check (userdata);
  if (drops) {
    qemu_plugin_uninstall (self, after_removal, data);
  }
  qemu_plugin_register_vcpu_tb_exec_cb (tb, at_block, QEMU_PLUGIN_CB_NO_REGS, data);
  for (size_t i = 0; i < qemu_plugin_tb_n_insns (tb); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn (tb, i);
    uint64_t address = qemu_plugin_insn_vaddr (insn);
    if (poke && address == poke) {
      qemu_plugin_register_vcpu_insn_exec_cb (insn, write_eax, QEMU_PLUGIN_CB_RW_REGS, NULL);
    }
    if (skip && address == skip) {
      qemu_plugin_register_vcpu_insn_exec_cb (insn, go, QEMU_PLUGIN_CB_RW_REGS_PC, NULL);
    }
  }
}

static void
list (unsigned int vcpu, void *userdata)
{
  check (userdata);
  n_listed++;
}

static void
at_start (unsigned int vcpu, void *userdata)
{
  g_autoptr (GArray) rows = qemu_plugin_get_registers ();
  check (userdata);
  for (unsigned i = 0; i < rows->len; i++) {
    const qemu_plugin_reg_descriptor *r = &g_array_index (rows, qemu_plugin_reg_descriptor, i);
    if (strcmp (r->name, "eax") == 0 || strcmp (r->name, "rax") == 0) {
      eax = r->handle;
    }
    if ((strcmp (r->name, "eip") == 0 || strcmp (r->name, "rip") == 0) && !r->is_readonly) {
      qemu_plugin_outs ("the program counter can be written?\n");
    }
  }
}

static void *
speak (void *text)
{
  qemu_plugin_outs (text);
  return NULL;
}

static void
at_exit (void *userdata)
{
  check (userdata);
  if (threaded) {
    g_thread_join (g_thread_new ("speaker", speak, (void *) "from a thread of its own\n"));
  }
  qemu_plugin_vcpu_for_each (self, list, data);
  g_autofree char *text = g_strdup_printf ("blocks %s, interrupts %" PRIu64 ", exceptions %" PRIu64 " from 0x%" PRIx64 ", skipped %" PRIu64 ", vcpus %u of %d\n",
                                           blocks ? "some" : "none", interrupts, exceptions, jumped_from, skipped, n_listed, qemu_plugin_num_vcpus ());
  qemu_plugin_outs (text);
}

static void
at_flush (void *userdata)
{
  check (userdata);
  qemu_plugin_outs ("flush\n");
}

static void
system_call (unsigned int vcpu, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8,
             void *userdata)
{
  qemu_plugin_outs ("a system call?\n");
}

QEMU_PLUGIN_EXPORT int
qemu_plugin_install (qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
  static const struct { const char *name; uint64_t *value; } options[] = {
    { "reset", &reset_at }, { "remove", &remove_at }, { "poke", &poke }, { "skip", &skip }, { "to", &to },
  };
  self = id;
  for (int i = 0; i < argc; i++) {
    g_auto (GStrv) words = g_strsplit (argv[i], "=", 2);
    for (unsigned k = 0; k < G_N_ELEMENTS (options); k++) {
      if (strcmp (words[0], options[k].name) == 0) {
        *options[k].value = strtoull (words[1], NULL, 0);
      }
    }
    threaded |= strcmp (words[0], "thread") == 0;
    quits |= strcmp (words[0], "quit") == 0;
    drops |= strcmp (words[0], "drop") == 0;
    if (strcmp (words[0], "uninstall") == 0) {
      qemu_plugin_uninstall (id, NULL, NULL);           /* not from here */
    }
  }
  qemu_plugin_register_vcpu_init_cb (id, at_start, data);
  qemu_plugin_register_vcpu_tb_trans_cb (id, translated, data);
  qemu_plugin_register_vcpu_discon_cb (id, QEMU_PLUGIN_DISCON_ALL, jumped, data);
  qemu_plugin_register_vcpu_syscall_cb (id, system_call, data);
  qemu_plugin_register_flush_cb (id, at_flush, data);
  qemu_plugin_register_atexit_cb (id, at_exit, data);
  return 0;
}
