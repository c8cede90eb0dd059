/* plugin-v2.c -- a plugin for version 2 of QEMU's interface: scoreboards, operations on them, calls under conditions. */
/* SPDX-License-Identifier: MIT */
/* Arguments: first=, last= as in plugin-v1.c; every=N: calls each N instructions; many=N: so many scoreboards more. */
#define QEMU_PLUGIN_VERSION 2
#include <qemu-plugin.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

typedef struct Board {
  uint64_t insns, blocks, accesses, loads;
  uint64_t since, calls, last_address;
  uint64_t disagreements;
  uint64_t entered;
  char name[20];                /* not a multiple of 8 */
} Board;

static uint64_t first, last = UINT64_MAX, every = 100, many;
static uint64_t called;
static struct qemu_plugin_scoreboard *board;
static struct qemu_plugin_scoreboard **more;
static qemu_plugin_u64 insns, blocks, accesses, loads, since, calls, last_address, entered;

static void
at_insn (unsigned int vcpu, void *userdata)
{
  Board *b = qemu_plugin_scoreboard_find (board, vcpu);
  called++;
  b->disagreements += b->last_address != (uint64_t) (uintptr_t) userdata;       /* stored before this call */
}

static void
each_time (unsigned int vcpu, void *userdata)
{
  Board *b = qemu_plugin_scoreboard_find (board, vcpu);
  b->disagreements += b->since != every;
  qemu_plugin_u64_set (since, vcpu, 0);
  qemu_plugin_u64_add (calls, vcpu, 1);
}

static void
never (unsigned int vcpu, void *userdata)
{
  qemu_plugin_outs ("a call that should never be\n");
}

static void
before_its_block (unsigned int vcpu, void *userdata)
{
  ((Board *) qemu_plugin_scoreboard_find (board, vcpu))->disagreements++;
}

static void
instrument (struct qemu_plugin_insn *insn)
{
  uint64_t address = qemu_plugin_insn_vaddr (insn);
  qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu (insn, QEMU_PLUGIN_INLINE_STORE_U64, last_address, address);
  qemu_plugin_register_vcpu_insn_exec_cond_cb (insn, at_insn, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_COND_ALWAYS, insns, 0, (void *) (uintptr_t) address);
  qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu (insn, QEMU_PLUGIN_INLINE_ADD_U64, insns, 1);
  qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu (insn, QEMU_PLUGIN_INLINE_ADD_U64, since, 1);
  qemu_plugin_register_vcpu_insn_exec_cond_cb (insn, each_time, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_COND_GE, since, every, NULL);
  qemu_plugin_register_vcpu_insn_exec_cond_cb (insn, never, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_COND_NEVER, since, every, NULL);
  qemu_plugin_register_vcpu_mem_inline_per_vcpu (insn, QEMU_PLUGIN_MEM_RW, QEMU_PLUGIN_INLINE_ADD_U64, accesses, 1);
  qemu_plugin_register_vcpu_mem_inline_per_vcpu (insn, QEMU_PLUGIN_MEM_R, QEMU_PLUGIN_INLINE_ADD_U64, loads, 1);
}

static void
translated (qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
  struct qemu_plugin_insn *head = qemu_plugin_tb_get_insn (tb, 0);
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu (tb, QEMU_PLUGIN_INLINE_ADD_U64, blocks, 1);
  /* What is asked of the block comes first, although it is asked last. */
  qemu_plugin_register_vcpu_insn_exec_cond_cb (head, before_its_block, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_COND_NE, entered, 1, NULL);
  qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu (head, QEMU_PLUGIN_INLINE_STORE_U64, entered, 0);
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu (tb, QEMU_PLUGIN_INLINE_STORE_U64, entered, 1);
  for (size_t i = 0; i < qemu_plugin_tb_n_insns (tb); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn (tb, i);
    uint64_t address = qemu_plugin_insn_vaddr (insn);
    if (address >= first && address <= last) {
      instrument (insn);
    }
  }
}

static void
at_exit (qemu_plugin_id_t id, void *userdata)
{
  g_autoptr (GString) out = g_string_new ("version 2\n");
  uint64_t disagreements = 0;
  for (int i = 0; i < qemu_plugin_num_vcpus (); i++) {
    disagreements += ((Board *) qemu_plugin_scoreboard_find (board, (unsigned) i))->disagreements;
  }
  g_string_append_printf (out, "instructions %" PRIu64 " %" PRIu64 "\n", called, qemu_plugin_u64_sum (insns));
  g_string_append_printf (out, "every %" PRIu64 ": %" PRIu64 " calls and %" PRIu64 "\n", every, qemu_plugin_u64_sum (calls), qemu_plugin_u64_sum (since));
  g_string_append_printf (out, "accesses %" PRIu64 ", loads %" PRIu64 "\n", qemu_plugin_u64_sum (accesses), qemu_plugin_u64_sum (loads));
  g_string_append_printf (out, "disagreements %" PRIu64 ", blocks %s\n", disagreements, qemu_plugin_u64_sum (blocks) ? "some" : "none");
  qemu_plugin_outs (out->str);
  for (uint64_t i = 0; i < many; i++) {
    qemu_plugin_scoreboard_free (more[i]);
  }
  g_free (more);
  qemu_plugin_scoreboard_free (board);
}

#define WORD(member) qemu_plugin_scoreboard_u64_in_struct (board, Board, member)

static void
make_boards (void)
{
  board = qemu_plugin_scoreboard_new (sizeof (Board));
  insns = WORD (insns), blocks = WORD (blocks), accesses = WORD (accesses), loads = WORD (loads);
  since = WORD (since), calls = WORD (calls), last_address = WORD (last_address), entered = WORD (entered);
  more = g_new0 (struct qemu_plugin_scoreboard *, many + 1);
  for (uint64_t i = 0; i < many; i++) {
    more[i] = qemu_plugin_scoreboard_new (1 + i % 40);
    qemu_plugin_u64_set (qemu_plugin_scoreboard_u64 (more[i]), 0, i);
  }
}

QEMU_PLUGIN_EXPORT int
qemu_plugin_install (qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
  static const struct { const char *name; uint64_t *value; } options[] = { { "first", &first }, { "last", &last }, { "every", &every }, { "many", &many } };
  for (int i = 0; i < argc; i++) {
    g_auto (GStrv) words = g_strsplit (argv[i], "=", 2);
    for (unsigned k = 0; k < G_N_ELEMENTS (options); k++) {
      if (strcmp (words[0], options[k].name) == 0) {
        *options[k].value = strtoull (words[1], NULL, 0);
      }
    }
  }
  make_boards ();
  qemu_plugin_register_vcpu_tb_trans_cb (id, translated);
  qemu_plugin_register_atexit_cb (id, at_exit, NULL);
  return 0;
}
