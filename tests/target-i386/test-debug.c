/* test-debug.c -- registers, descriptions and memory of the x86 CPU type as debuggers see them. */
/* SPDX-License-Identifier: MIT */
#define STUB_WITH_CPU
#include "stub-machine.h"
#include "target-i386/debug/debug.h"
#include "target-i386/plugin.h"

/* The translator's table is not part of this test. */
const BpTcgFrontend x86_frontend;

static const BpCpuDebugIface *iface = &x86_debug_iface;
enum { VIEW64 = 0, VIEW32 = 1, VIEW16 = 2 };

static void
set_up (const char *model)
{
  env->model = (char *) model;
  env->features = NULL;
  ck_assert (x86_configure_features (env, NULL));
  env->memory = (BpAddressSpace *) &stub;
}

static unsigned
number_of (unsigned view, const char *name)
{
  const BpDebugRegister *r;
  for (unsigned i = 0; (r = iface->reg (env, view, i)); i++)
    if (strcmp (r->name, name) == 0)
      return i;
  ck_abort_msg ("no register %s", name);
}

static uint64_t
get (unsigned view, const char *name)
{
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES] = { 0 };
  uint64_t value;
  ck_assert_uint_gt (iface->get_register (env, view, number_of (view, name), bytes), 0);
  memcpy (&value, bytes, 8);
  return value;
}

static bool
put (unsigned view, const char *name, uint64_t value)
{
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES] = { 0 };
  unsigned number = number_of (view, name);
  memcpy (bytes, &value, 8);
  return iface->set_register (env, view, number, bytes, iface->reg (env, view, number)->bits / 8);
}

/* --- views ------------------------------------------------------------------------------------ */

static void
check_layout (unsigned view)
{
  const BpDebugRegister *r;
  unsigned n = 0, pcs = 0, sps = 0;
  g_autofree char *xml = iface->description (env, view, "target.xml");
  ck_assert_ptr_nonnull (xml);
  for (; (r = iface->reg (env, view, n)); n++) {
    uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
    g_autofree char *row = g_strdup_printf ("<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" group=\"%s\" regnum=\"%u\"/>", r->name, r->bits, r->type,
                                            r->group, n);
    ck_assert_uint_eq (r->bits % 8, 0);
    ck_assert_uint_le (r->bits / 8, BP_DEBUG_REGISTER_BYTES);
    ck_assert_uint_eq (iface->get_register (env, view, n, bytes), r->bits / 8);
    ck_assert (r->flags & BP_DEBUG_READ_ONLY || iface->set_register (env, view, n, bytes, r->bits / 8));
    ck_assert (!iface->set_register (env, view, n, bytes, r->bits / 8 + 1));
    ck_assert_msg (strstr (xml, row) != NULL, "%s is not in the description", row);
    pcs += (r->flags & BP_DEBUG_PC) != 0;
    sps += (r->flags & BP_DEBUG_SP) != 0;
  }
  ck_assert_uint_eq (pcs, 1);
  ck_assert_uint_eq (sps, 1);
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  ck_assert_uint_eq (iface->get_register (env, view, n, bytes), 0);
  ck_assert (!iface->set_register (env, view, n, bytes, 8));
}

START_TEST (views)
{
  static const char *const all[] = { "i386:x86-64", "i386", "i8086" };
  set_up ("max");
  for (unsigned i = 0; i < 3; i++) {
    ck_assert_str_eq (iface->view (env, i), all[i]);
    check_layout (i);
  }
  ck_assert_ptr_null (iface->view (env, 3));
  ck_assert_ptr_null (iface->reg (env, 3, 0));
  ck_assert_ptr_null (iface->description (env, 0, "other.xml"));
  set_up ("486");
  ck_assert_str_eq (iface->view (env, 0), "i386");
  ck_assert_str_eq (iface->view (env, 1), "i8086");
  ck_assert_ptr_null (iface->view (env, 2));
  check_layout (0);
  g_autofree char *xml = iface->description (env, 0, "target.xml");
  ck_assert_ptr_null (strstr (xml, "xmm0"));
}
END_TEST

/* What gdb expects of the first ones. */
START_TEST (order)
{
  static const char *const first64[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                                         "rip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", "st0" };
  static const char *const first32[] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cs", "ss", "ds", "es", "fs", "gs",
                                         "st0" };
  set_up ("max");
  for (unsigned i = 0; i < BP_N_ELEMENTS (first64); i++)
    ck_assert_str_eq (iface->reg (env, VIEW64, i)->name, first64[i]);
  for (unsigned i = 0; i < BP_N_ELEMENTS (first32); i++)
    ck_assert_str_eq (iface->reg (env, VIEW32, i)->name, first32[i]);
}
END_TEST

/* --- registers ---------------------------------------------------------------------------------- */

START_TEST (general)
{
  set_up ("max");
  enter_long (0, true);
  env->gpr[X86_RAX] = UINT64_C (0x1122334455667788);
  env->gpr[15] = 15;
  ck_assert_uint_eq (get (VIEW64, "rax"), UINT64_C (0x1122334455667788));
  ck_assert_uint_eq (get (VIEW64, "r15"), 15);
  ck_assert (put (VIEW64, "rip", UINT64_C (0xffffffff81000000)));
  ck_assert_uint_eq (env->eip, UINT64_C (0xffffffff81000000));
  ck_assert (put (VIEW64, "rsp", UINT64_C (0xffffc90000000000)));
  ck_assert_uint_eq (env->gpr[X86_RSP], UINT64_C (0xffffc90000000000));
  env->cc_op = CC_SUB32;                /* 3 - 3: ZF and PF, lazily */
  env->cc_dst = 0;
  env->cc_src = 3;
  ck_assert_uint_eq (get (VIEW64, "eflags") & 0x8d5, 0x44);
  ck_assert (put (VIEW64, "eflags", 0x603));
  ck_assert_uint_eq (get (VIEW64, "eflags"), 0x603);
  ck_assert_int_eq (env->df, -1);
  ck_assert (put (VIEW64, "fs_base", UINT64_C (0x7f0000001000)));
  ck_assert_uint_eq (env->segment[BP_X86_FS].base, UINT64_C (0x7f0000001000));
  ck_assert (put (VIEW64, "k_gs_base", 77));
  ck_assert_uint_eq (env->kernel_gs_base, 77);
}
END_TEST

START_TEST (floating_point)
{
  set_up ("max");
  memset (env->fp, 0, sizeof env->fp);
  env->fp[2 + 1] = 6 << 3;              /* top 6: st0 is register 6 */
  env->fp[4] = 1 << 6 | 1 << 7;
  env->fp[32 + 7] = 0x80;               /* st0 = 1.0; st1 (register 7) = 0 */
  env->fp[32 + 8] = 0xff;
  env->fp[32 + 9] = 0x3f;
  ck_assert_uint_eq (get (VIEW64, "ftag"), 0x4fff);
  ck_assert (put (VIEW64, "ftag", 0xffff));
  ck_assert_uint_eq (env->fp[4], 0);
  ck_assert (put (VIEW64, "mxcsr", 0xffffffff));
  ck_assert_uint_eq (get (VIEW64, "mxcsr") & 0xffffffff, 0xffff);
  ck_assert (put (VIEW64, "xmm9", 0x123456789abcdef0));
  ck_assert_uint_eq (env->fp[160 + 16 * 9], 0xf0);
  ck_assert (put (VIEW32, "ymm3h", 0x55));
  ck_assert_uint_eq (env->fp[X86_FP_UPPERS + 48], 0x55);
  ck_assert (put (VIEW64, "fctrl", 0x37f));
  ck_assert_uint_eq (get (VIEW64, "fctrl"), 0x37f);
}
END_TEST

START_TEST (segments_real)
{
  set_up ("max");
  ck_assert (put (VIEW16, "cs", 0xf000));
  ck_assert_uint_eq (env->segment[BP_X86_CS].base, 0xf0000);
  ck_assert (put (VIEW16, "ip", 0x1234));
  ck_assert_uint_eq (get (VIEW16, "eip"), 0xf1234);
  ck_assert_uint_eq (get (VIEW32, "eip"), 0x1234);
  ck_assert (put (VIEW16, "eip", 0xf4321));
  ck_assert_uint_eq (env->eip, 0x4321);
  ck_assert (!put (VIEW16, "cs", 0x10000));
  ck_assert (!put (VIEW16, "cs_base", 0x10000));
  BpDebugPlace place = { .struct_size = sizeof place };
  iface->where (env, &place);
  ck_assert_str_eq (place.mode, "real");
  ck_assert_uint_eq (place.code_bits, 16);
  ck_assert_uint_eq (place.pc, 0x4321);
  ck_assert_uint_eq (place.address, 0xf4321);
}
END_TEST

START_TEST (segments_protected)
{
  set_up ("max");
  enter_protected (0);
  set_descriptor (GDT, FREE, 0x5000, 0xfff, 0x4093);
  ck_assert (put (VIEW32, "ds", FREE));
  ck_assert_uint_eq (env->segment[BP_X86_DS].base, 0x5000);
  ck_assert_uint_eq (env->segment[BP_X86_DS].limit, 0xfff);
  ck_assert (put (VIEW32, "es", 0));
  ck_assert (!put (VIEW32, "ss", 0));
  ck_assert (!put (VIEW32, "cs", FREE));
  ck_assert (!put (VIEW32, "ds", 0x700));       /* nothing there */
  ck_assert (!put (VIEW32, "ds", 0x1000));      /* beyond the table */
  ck_assert_uint_eq (env->segment[BP_X86_DS].selector, FREE);
  ck_assert_int_eq (env->exc_vector, -1);
}
END_TEST

START_TEST (control)
{
  set_up ("max");
  enter_protected (0);
  ck_assert (!put (VIEW64, "cr0", (uint64_t) CR0_PG));          /* without PE */
  ck_assert (put (VIEW64, "cr3", 0x10000));
  ck_assert (put (VIEW64, "cr0", env->cr0 | CR0_PG));
  ck_assert (!put (VIEW64, "cr4", 1u << 31));
  ck_assert (!put (VIEW64, "efer", EFER_LME));                  /* with paging on, but no PAE */
  ck_assert_uint_eq (env->efer, 0);
  poke (0x10000, 0x11001, 8);
  ck_assert (put (VIEW64, "cr4", env->cr4 | CR4_PAE));
  ck_assert_uint_eq (env->pdpte[0], 0x11001);
  ck_assert (put (VIEW64, "cr2", 0x1234));
  ck_assert (put (VIEW64, "cr8", 9));
  ck_assert (!put (VIEW64, "cr8", 16));
  ck_assert (put (VIEW64, "dr7", 0xffffffff));
  ck_assert_uint_eq (env->dr[7], 0xffff27ff);
  ck_assert (put (VIEW64, "dr7", 1));
  ck_assert (env->hflags & HF_BREAKPOINTS);
  set_up ("max");
  enter_long (0, true);
  ck_assert_uint_eq (get (VIEW64, "efer") & EFER_LMA, EFER_LMA);
}
END_TEST

/* --- memory --------------------------------------------------------------------------------------- */

enum { DIRECTORY = 0x30000, TABLE = 0x31000 };

static BpDebugPage page;

static bool
finds (uint64_t address)
{
  memset (&page, 0, sizeof page);
  page.struct_size = sizeof page;
  return iface->translate (env, address, &page);
}

START_TEST (translate_unpaged)
{
  set_up ("max");
  ck_assert (finds (0x123456));
  ck_assert_uint_eq (page.physical, 0x123456);
  env->a20_mask = ~(1u << 20);
  ck_assert (finds (0x123456));
  ck_assert_uint_eq (page.physical, 0x23456);
  ck_assert (!finds (UINT64_C (0x100000000)));
}
END_TEST

START_TEST (translate_32)
{
  set_up ("max");
  env->cr0 = CR0_PE | CR0_PG;
  env->cr3 = DIRECTORY;
  poke32 (DIRECTORY + 4, TABLE | 7);
  poke32 (DIRECTORY + 8, 0x00800000 | 0x83 | 1 << 13);
  poke32 (TABLE + 20, 0x7001);
  ck_assert (finds (0x405678));
  ck_assert_uint_eq (page.physical, 0x7678);
  ck_assert_uint_eq (page.page_size, 4096);
  ck_assert_uint_eq (page.flags, BP_DEBUG_PAGE_EXECUTABLE);
  ck_assert_uint_eq (peek32 (TABLE + 20), 0x7001);              /* no accessed bit */
  ck_assert_uint_eq (peek32 (DIRECTORY + 4), TABLE | 7);
  ck_assert (!finds (0x406000));
  ck_assert (!finds (0xc00000));
  ck_assert (!finds (0x812345) || page.page_size == 4096);      /* without CR4.PSE it leads to a table */
  env->cr4 = CR4_PSE;
  ck_assert (finds (0x812345));
  ck_assert_uint_eq (page.physical, UINT64_C (0x100812345));
  ck_assert_uint_eq (page.page_size, 4u << 20);
  ck_assert_int_eq (env->exc_vector, -1);
  ck_assert_uint_eq (env->cr2, 0);
}
END_TEST

START_TEST (translate_pae)
{
  set_up ("max");
  env->cr0 = CR0_PE | CR0_PG;
  env->cr4 = CR4_PAE;
  env->pdpte[3] = DIRECTORY | 1;
  poke (DIRECTORY, TABLE | 3, 8);
  poke (DIRECTORY + 8, 0x200000 | 0x83 | (uint64_t) 1 << 63, 8);
  poke (TABLE + 8 * 511, 0x9003, 8);
  ck_assert (finds (0xc01ff123));
  ck_assert_uint_eq (page.physical, 0x9123);
  ck_assert (finds (0xc0234567));
  ck_assert_uint_eq (page.physical, 0x234567);
  ck_assert_uint_eq (page.page_size, 2u << 20);
  ck_assert_uint_eq (page.flags, BP_DEBUG_PAGE_WRITABLE);
  ck_assert (!finds (0));
}
END_TEST

START_TEST (translate_long)
{
  set_up ("max");
  enter_long (0, true);
  ck_assert (finds (0x300123));
  ck_assert_uint_eq (page.physical, 0x300123);
  ck_assert (finds (UINT64_C (0xffffffffc0300123)));
  ck_assert_uint_eq (page.physical, 0x300123);
  ck_assert (!finds (UINT64_C (0x800000000000)));
  ck_assert (!finds (UINT64_C (0x8000000000)));
  poke (PDPT4 + 8, 0x40000000 | 0x83, 8);       /* 1 GiB */
  ck_assert (finds (0x40000000 + 0x1234567));
  ck_assert_uint_eq (page.physical, 0x41234567);
  ck_assert_uint_eq (page.page_size, 1u << 30);
  poke (0x40000, PML4 | 7, 8);                  /* five levels */
  env->cr3 = 0x40000;
  env->cr4 |= 1 << 12;
  ck_assert (finds (0x300123));
  ck_assert_uint_eq (page.physical, 0x300123);
  ck_assert (!finds (UINT64_C (0x1000000000000)));
}
END_TEST

START_TEST (memory)
{
  uint8_t bytes[64];
  char text[80];
  set_up ("max");
  env->cr0 = CR0_PE | CR0_PG;
  env->cr3 = DIRECTORY;
  poke32 (DIRECTORY + 4, TABLE | 7);
  poke32 (TABLE, 0x7001);
  poke32 (TABLE + 4, 0x5001);
  poke32 (0x7ffc, 0x44332211);
  poke32 (0x5000, 0x88776655);
  ck_assert_uint_eq (iface->read_memory (env, 0x400ffc, bytes, 8), 8);
  ck_assert_uint_eq (bytes[0], 0x11);
  ck_assert_uint_eq (bytes[7], 0x88);
  ck_assert_uint_eq (iface->read_memory (env, 0x401ff0, bytes, 64), 16);
  ck_assert_uint_eq (iface->read_memory (env, 0x500000, bytes, 1), 0);
  ck_assert_uint_eq (iface->write_memory (env, 0x400ffe, "abcd", 4), 4);
  ck_assert_uint_eq (peek32 (0x7ffc), 0x62612211);
  ck_assert_uint_eq (peek16 (0x5000), 0x6463);
  memcpy (stub.ram + 0x7000, "\x48\x89\xc3\x0f\x0b\x0f\xff\xff\xff", 9);
  ck_assert_uint_eq (iface->disassemble (env, 0x400000, 64, text, sizeof text), 3);
  ck_assert_str_eq (text, "mov %rax,%rbx");
  ck_assert_uint_eq (iface->disassemble (env, 0x400000, 32, text, sizeof text), 1);
  ck_assert_str_eq (text, "dec %eax");
  ck_assert_uint_eq (iface->disassemble (env, 0x400007, 32, text, sizeof text), 1);
  ck_assert_str_eq (text, ".byte 0xff");
  ck_assert_uint_eq (iface->disassemble (env, 0x500000, 32, text, sizeof text), 0);
}
END_TEST

static void
add (TCase *t)
{
  tcase_add_test (t, views);
  tcase_add_test (t, order);
  tcase_add_test (t, general);
  tcase_add_test (t, floating_point);
  tcase_add_test (t, segments_real);
  tcase_add_test (t, segments_protected);
  tcase_add_test (t, control);
  tcase_add_test (t, translate_unpaged);
  tcase_add_test (t, translate_32);
  tcase_add_test (t, translate_pae);
  tcase_add_test (t, translate_long);
  tcase_add_test (t, memory);
}

int
main (void)
{
  static void (*const tests[]) (TCase *) = { add };
  return run_suite ("debug", tests, BP_N_ELEMENTS (tests));
}
