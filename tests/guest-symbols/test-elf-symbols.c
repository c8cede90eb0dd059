/* test-elf-symbols.c -- programs that the compiler makes here, and maps as text: what is found in them, where, and for whom. */
/* SPDX-License-Identifier: MIT */
#include "object.h"
#include <backplane/iface/symbols.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "guest-symbols/guest-symbols.h"
#include "../scratch.h"
#include "../suite.h"

const BpPluginDesc *bp_plugin_query (void);

static char *directory;
static BpObject *object;

/* Line numbers are asked for: the numbers below are those of this text. */
static const char program[] =
  "__attribute__ ((noinline, used)) static int inner (int x) {\n"        /* 1 */
  "  return x * 3 + 1;\n"                                                 /* 2 */
  "}\n"
  "__attribute__ ((noinline)) int outer (int x) {\n"                      /* 4 */
  "  return inner (x) + inner (x + 1);\n"                                 /* 5 */
  "}\n"
  "int word = 5;\n"
  "void _start (void) {\n"                                                /* 8 */
  "  word = outer (word);\n"
  "  for (;;) ;\n"
  "}\n";

/* --- the folder ----------------------------------------------------------------------------- */

static void
put (const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_assert (g_file_set_contents (path, text, -1, NULL));
}

/* In the folder; false: it failed. */
static bool
command (const char *line)
{
  const char *cc = g_getenv ("CC");
  g_autofree char *script = g_strdup_printf ("cd '%s' && CC='%s' && F='-O1 -nostdlib -fno-asynchronous-unwind-tables -fno-stack-protector' && { %s; } >log 2>&1",
                                             directory, cc && *cc ? cc : "cc", line);
  return system (script) == 0;
}

static void
make_folder (void)
{
  directory = scratch_new ();
  put ("p.c", program);
}

static void
teardown (void)
{
  g_clear_pointer (&object, object_free);
}

/* --- the object ------------------------------------------------------------------------------- */

/* settings: "file=x|base=0x1000"; what went wrong, or NULL. */
static char *
open_message (const char *settings)
{
  GError *error = NULL;
  bool ok = true;
  teardown ();
  object = object_new (bp_plugin_query ()->types[0], "names", NULL);
  char **words = g_strsplit (settings, "|", -1);
  for (unsigned i = 0; ok && words[i]; i++) {
    char *value = strchr (words[i], '=');
    *value++ = 0;
    g_autofree char *folder = g_build_filename (directory, value, NULL);
    ok = object_set (object, words[i], strcmp (words[i], "debug-folder") == 0 ? folder : value, directory, &error);
  }
  g_strfreev (words);
  ok = ok && object_configure (object, &error) && object_realize (object, &error);
  char *message = ok ? NULL : g_strdup (error->message);
  g_clear_error (&error);
  return message;
}

static void
open_file (const char *settings)
{
  g_autofree char *message = open_message (settings);
  ck_assert_msg (!message, "%s: %s", settings, message);
}

static void
refused (const char *settings, const char *part)
{
  g_autofree char *message = open_message (settings);
  ck_assert_msg (message && strstr (message, part), "%s: `%s` lacks `%s`", settings, message ? message : "(fine)", part);
}

static const BpSymbolsIface *
table (void)
{
  return type_interface (object->type, BP_SYMBOLS_ID);
}

static bool
ask (uint64_t address, unsigned privilege, uint64_t space, BpSymbolAnswer *a)
{
  BpSymbolQuery q = { .struct_size = sizeof q, .privilege = privilege, .address = address, .space = space };
  *a = (BpSymbolAnswer) { .struct_size = sizeof *a };
  return table ()->find (object_instance (object), &q, a);
}

static uint64_t
address_of (const char *name)
{
  uint64_t address = 0;
  ck_assert_msg (table ()->address (object_instance (object), name, &address), "no symbol %s", name);
  return address;
}

/* The program of above, asked about as a user's. */
static void
check_program (bool has_lines)
{
  BpSymbolAnswer a;
  uint64_t outer = address_of ("outer");
  ck_assert (ask (outer + 1, 3, 0, &a));
  ck_assert_str_eq (a.name, "outer");
  ck_assert_uint_eq (a.start, outer);
  ck_assert_uint_gt (a.size, 4);
  ck_assert_uint_lt (a.size, 200);
  if (!has_lines) {
    ck_assert (a.file == NULL && a.line == 0);
    return;
  }
  ck_assert_ptr_nonnull (a.file);
  ck_assert_msg (g_str_has_suffix (a.file, "p.c"), "%s", a.file);
  ck_assert_msg (a.line == 4 || a.line == 5, "line %u", a.line);
  ck_assert (ask (address_of ("inner"), 3, 0, &a));
  ck_assert_str_eq (a.name, "inner");
  ck_assert_msg (a.line == 1 || a.line == 2, "line %u", a.line);
  ck_assert (ask (address_of ("_start"), 3, 0, &a));
  ck_assert_uint_ge (a.line, 8);
}

/* --- ELF ---------------------------------------------------------------------------------------- */

START_TEST (fixed)
{
  ck_assert (command ("$CC -g $F -static -no-pie -fno-pie p.c -o fixed"));
  open_file ("file=fixed");
  check_program (true);
  uint64_t outer = address_of ("outer");
  open_file ("file=fixed|base=0x12340000");
  ck_assert_uint_eq (address_of ("outer") - 0x12340000, outer & 0xffff);
  check_program (true);
  refused ("file=fixed|base=here", "neither `auto` nor an address");
  refused ("file=fixed|base=0x", "neither `auto` nor an address");
  refused ("file=fixed|base=-1", "neither `auto` nor an address");
}
END_TEST

START_TEST (older_dwarf)
{
  for (unsigned version = 2; version <= 5; version++) {
    g_autofree char *line = g_strdup_printf ("$CC -gdwarf-%u -gz $F -static -no-pie -fno-pie p.c -o old", version);
    ck_assert (command (line));
    open_file ("file=old");
    check_program (true);
  }
}
END_TEST

START_TEST (position_independent)
{
  ck_assert (command ("$CC -g $F -static-pie -fPIE p.c -o pie && $CC -g $F -shared -fPIC p.c -o lib.so"));
  refused ("file=pie", "--set names.base=ADDRESS (/proc/PID/maps of the guest has it; the same in each run of a Linux");
  ck_assert (command ("$CC $F -fPIE -pie p.c -o interpreted"));
  refused ("file=interpreted", "--set names.base=ADDRESS (/proc/PID/maps of the guest has it; 0x555555554000 in");
  open_file ("file=pie|base=0x555555554000");
  ck_assert_uint_eq (address_of ("outer") >> 16, 0x55555555);
  check_program (true);
  open_file ("file=lib.so|base=0x7ffff7fc0000");
  check_program (true);
  BpSymbolAnswer a;
  ck_assert (!ask (address_of ("outer") - 0x7ffff7fc0000, 3, 0, &a));
}
END_TEST

START_TEST (stripped)
{
  ck_assert (command ("$CC -g $F -Wl,--build-id -static -no-pie -fno-pie p.c -o whole && objcopy --only-keep-debug whole apart.debug && "
                      "objcopy -S whole bare && $CC -g $F -Wl,--build-id -static -no-pie -fno-pie -DX=1 -Douter=other p.c -o alien && "
                      "id=$(readelf -n whole | sed -n 's/.*Build ID: *//p') && mkdir -p store/.build-id/${id%${id#??}} && "
                      "cp apart.debug store/.build-id/${id%${id#??}}/${id#??}.debug && mkdir empty"));
  refused ("file=bare", "it was stripped");
  open_file ("file=bare|debug-file=apart.debug");
  check_program (true);
  open_file ("file=bare|debug-folder=store");
  check_program (true);
  open_file ("file=apart.debug");
  check_program (true);
  refused ("file=bare|debug-file=alien", "its build-id is");
  refused ("file=bare|debug-folder=empty", "nothing in");
  refused ("file=bare|debug-folder=nowhere", "no folder");
  refused ("file=bare|debug-folder=store|debug-file=apart.debug", "two ways");
  refused ("file=bare|debug-file=nowhere", "cannot open");
  refused ("file=bare|debug-file=p.c", "not an ELF file");
}
END_TEST

START_TEST (debug_link)
{
  ck_assert (command ("$CC -g $F -Wl,--build-id=none -static -no-pie -fno-pie p.c -o whole && objcopy --only-keep-debug whole apart.debug && "
                      "objcopy -S --add-gnu-debuglink=apart.debug whole bare && mkdir -p place wrong && cp apart.debug place && "
                      "{ cat apart.debug; echo more; } >wrong/apart.debug"));
  open_file ("file=bare|debug-file=apart.debug");
  check_program (true);
  open_file ("file=bare|debug-folder=place");
  check_program (true);
  refused ("file=bare|debug-folder=wrong", "its checksum");
  refused ("file=bare|debug-file=wrong/apart.debug", "its checksum");
}
END_TEST

START_TEST (dynamic_symbols)
{
  ck_assert (command ("$CC $F -shared -fPIC p.c -o lib.so && strip lib.so"));
  open_file ("file=lib.so|base=0x10000");
  check_program (false);
  uint64_t address;
  ck_assert (!table ()->address (object_instance (object), "inner", &address));
}
END_TEST

START_TEST (bits32)
{
  if (!command ("$CC -m32 -g $F -static -no-pie -fno-pie p.c -o small"))
    return;                     /* the compiler has no 32-bit side */
  open_file ("file=small");
  check_program (true);
  BpSymbolAnswer a;
  ck_assert (!ask (address_of ("outer") + (UINT64_C (1) << 32), 3, 0, &a));
  open_file ("file=small|base=0x10000");                /* lower than it was linked for */
  check_program (true);
  ck_assert_uint_lt (address_of ("outer"), 0x20000);
  refused ("file=small|base=0x100000000", "32 bits");
}
END_TEST

/* The compiler's switch for code in the upper half, with a kernel's address. */
START_TEST (kernel)
{
  BpSymbolAnswer a;
  ck_assert (command ("$CC -g $F -static -no-pie -fno-pie -mcmodel=kernel -Wl,-Ttext-segment=0xffffffff81000000 p.c -o vmlinux"));
  open_file ("file=vmlinux");
  uint64_t outer = address_of ("outer");
  ck_assert_uint_gt (outer, UINT64_C (0xffffffff81000000));
  ck_assert (ask (outer, 0, 0x1000, &a) && a.line >= 4);
  ck_assert (!ask (outer, 3, 0x1000, &a));
  open_file ("file=vmlinux|base=0xffffffff93000000");
  ck_assert_uint_eq (address_of ("outer") - outer, 0x12000000);
  ck_assert (ask (outer + 0x12000000, 0, 0, &a) && a.line >= 4);
  ck_assert (!ask (outer, 0, 0, &a));
  open_file ("file=vmlinux|privilege=user");
  ck_assert (!ask (outer, 0, 0, &a));
}
END_TEST

START_TEST (names_of_cxx)
{
  put ("q.cc", "namespace a { template<class T> struct B { T f (T x); }; template<class T> T B<T>::f (T x) { return x + 1; } }\n"
               "template struct a::B<int>;\n");
  if (!command ("${CXX:-c++} -g $F -shared -fPIC q.cc -o cxx.so"))
    return;
  BpSymbolAnswer a;
  open_file ("file=cxx.so|base=0x10000");
  uint64_t f = address_of ("_ZN1a1BIiE1fEi");
  ck_assert (ask (f, 3, 0, &a));
  ck_assert_msg (!strcmp (a.name, "a::B<int>::f(int)") || !strcmp (a.name, "_ZN1a1BIiE1fEi"), "%s", a.name);
  open_file ("file=cxx.so|base=0x10000|demangle=off");
  ck_assert (ask (f, 3, 0, &a));
  ck_assert_str_eq (a.name, "_ZN1a1BIiE1fEi");
}
END_TEST

/* Each parameter is a pair of the one before: 2^n words. */
START_TEST (growing_names)
{
  GString *name = g_string_new ("_Z1f1pIiiE");
  for (unsigned i = 1; i <= 30; i++) {
    char digit = (char) (i <= 10 ? '0' + i - 1 : 'A' + i - 11);
    g_string_append_printf (name, "S_IS%c_S%c_E", digit, digit);
    g_autofree char *text = demangle (name->str);
    if (i == 3)
      ck_assert (!text || strstr (text, "p<p<p<int, int>, p<int, int> >"));
    ck_assert (!text || strlen (text) < 1u << 20);
    ck_assert (!text || i < 16);
  }
  g_string_free (name, TRUE);
}
END_TEST

START_TEST (not_programs)
{
  ck_assert (command ("$CC -g $F -c p.c -o p.o && head -c 2000 /dev/urandom >noise && : >nothing && mkdir -p folder && printf '\\177ELF' >head"));
  refused ("file=p.o", "not linked yet");
  refused ("file=noise", "neither an ELF file nor");
  refused ("file=nothing", "no symbols");
  refused ("file=folder", "Is a directory");
  refused ("file=head", "not an ELF file");
  refused ("file=absent", "No such file");
  refused ("file=/dev/zero", "Invalid argument");
  refused ("file=p.c", "line 1: neither an ELF file nor");
}
END_TEST

/* Whose code and which address space: everything else is not answered. */
START_TEST (audience)
{
  BpSymbolAnswer a;
  ck_assert (command ("$CC $F -static -no-pie -fno-pie p.c -o fixed"));
  open_file ("file=fixed|space=0x5000");
  uint64_t outer = address_of ("outer");
  ck_assert (ask (outer, 3, 0x5000, &a));
  ck_assert (ask (outer, 3, 0, &a));
  ck_assert (!ask (outer, 3, 0x6000, &a));
  ck_assert (!ask (outer, 0, 0x5000, &a));
  open_file ("file=fixed|privilege=any");
  ck_assert (ask (outer, 0, 0, &a) && ask (outer, 3, 0, &a));
  open_file ("file=fixed|privilege=kernel");
  ck_assert (ask (outer, 0, 0, &a) && ask (outer, 1, 0, &a) && !ask (outer, 3, 0, &a));
}
END_TEST

/* A program that a Multiboot loader starts is a kernel, low as it is. */
START_TEST (multiboot)
{
  BpSymbolAnswer a;
  put ("m.S", ".text\n.long 0x1badb002, 0, -0x1badb002\n.globl _start\n.type _start, @function\n_start: jmp _start\n.size _start, . - _start\n");
  ck_assert (command ("$CC $F -static -no-pie -Wl,-Ttext=0x100000 m.S -o multi"));
  open_file ("file=multi");
  ck_assert (ask (address_of ("_start"), 0, 0, &a));
}
END_TEST

/* --- text ----------------------------------------------------------------------------------------- */

START_TEST (kallsyms)
{
  BpSymbolAnswer a;
  put ("map", "0000000000001000 A cpu_data\n"
              "ffffffff81000000 T _text\n"
              "ffffffff81000000 T startup_64\n"
              "ffffffff81000100 t do_something\n"
              "ffffffff81000200 W weak_one\r\n"
              "ffffffff81000200 t __local_one\n"
              "\n"
              "ffffffff82000000 D words\n"
              "ffffffffc0001000 t ext4_read\t[ext4]\n"
              "ffffffffc0002000 t ext4_write\t[ext4]\n");
  open_file ("file=map");
  ck_assert (ask (UINT64_C (0xffffffff81000004), 0, 0, &a));
  ck_assert_str_eq (a.name, "startup_64");
  ck_assert (ask (UINT64_C (0xffffffff810001ff), 0, 7, &a));
  ck_assert_str_eq (a.name, "do_something");
  ck_assert (a.start == UINT64_C (0xffffffff81000100) && a.size == 0x100 && !a.file);
  ck_assert (ask (UINT64_C (0xffffffff81000200), 0, 0, &a));
  ck_assert_str_eq (a.name, "weak_one");
  ck_assert (ask (UINT64_C (0xffffffffc0001004), 0, 0, &a));
  ck_assert_str_eq (a.name, "ext4_read [ext4]");
  ck_assert_uint_eq (address_of ("ext4_write"), UINT64_C (0xffffffffc0002000));
  ck_assert (!ask (UINT64_C (0xffffffff810001ff), 3, 0, &a));
  ck_assert (!ask (UINT64_C (0xffffffffc0902000), 0, 0, &a));
  open_file ("file=map|base=0xffffffff93000000");
  ck_assert (ask (UINT64_C (0xffffffff93000104), 0, 0, &a));
  ck_assert_str_eq (a.name, "do_something");
  ck_assert_uint_eq (a.start, UINT64_C (0xffffffff93000100));
  ck_assert_uint_eq (address_of ("cpu_data"), 0x1000);
}
END_TEST

START_TEST (nm_text)
{
  BpSymbolAnswer a;
  put ("nm", "                 U printf\n08048000 00000010 T main\n08048010 t helper\n         w __gmon_start__\n"
             "08049000 00000010 W void fill<char [5]>(char (&) [5])\n08049010 00000010 W last(char const* [])\n");
  open_file ("file=nm");
  ck_assert (ask (0x804800f, 3, 0, &a));
  ck_assert_str_eq (a.name, "main");
  ck_assert (ask (0x8048018, 3, 0, &a));
  ck_assert_str_eq (a.name, "helper");
  ck_assert_uint_eq (address_of ("void fill<char [5]>(char (&) [5])"), 0x8049000);
  ck_assert_uint_eq (address_of ("last(char const* [])"), 0x8049010);
  put ("high", "0000000080401000 0000000000000010 T main\n");
  open_file ("file=high");      /* half of the way to the kernel's with 32 bits, but these are 64 */
  ck_assert (ask (0x80401008, 3, 0, &a) && !ask (0x80401008, 0, 0, &a));
  refused ("file=nm|base=0x1000", "no _text");
}
END_TEST

START_TEST (bad_text)
{
  put ("zero", "0000000000000000 T _text\n0000000000000000 T main\n");
  put ("second", "ffffffff81000000 T _text\nffffffff8100000g T x\n");
  put ("type", "ffffffff81000000 TT _text\n");
  put ("name", "ffffffff81000000 T\n");
  put ("long", "11ffffffff81000000 T x\n");
  put ("undefined", "                 U printf\n");
  put ("debian", "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n");
  refused ("file=debian", "-dbg package");
  refused ("file=zero", "root alone");
  refused ("file=second", "line 2");
  refused ("file=type", "line 1");
  refused ("file=name", "line 1");
  refused ("file=long", "line 1");
  refused ("file=undefined", "no symbols");
  refused ("file=second|debug-file=zero", "for ELF files");
}
END_TEST

/* --- files that are broken -------------------------------------------------------------------------- */

static void
ask_around (void)
{
  BpSymbolAnswer a;
  for (uint64_t address = 0x400000; address < 0x404000; address += 5)
    if (ask (address, 3, 0, &a) && a.name)
      ck_assert_uint_lt (strlen (a.name), 100000);
  uint64_t address;
  table ()->address (object_instance (object), "outer", &address);
}

static void
try_bytes (const char *bytes, size_t size)
{
  g_autofree char *path = g_build_filename (directory, "broken", NULL);
  ck_assert (g_file_set_contents (path, bytes, (gssize) size, NULL));
  g_autofree char *message = open_message ("file=broken|privilege=any");
  if (!message)
    ask_around ();
}

START_TEST (broken)
{
  char *bytes;
  gsize size;
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  ck_assert (command ("$CC -g $F -static -no-pie -fno-pie p.c -o fixed"));
  g_autofree char *path = g_build_filename (directory, "fixed", NULL);
  ck_assert (g_file_get_contents (path, &bytes, &size, NULL));
  for (gsize cut = 0; cut < size; cut += size / 60 + 1)
    try_bytes (bytes, cut);
  for (unsigned i = 0; i < 300; i++) {
    g_autofree char *copy = g_memdup2 (bytes, size);
    for (unsigned n = 0; n < 8; n++)
      copy[g_rand_int_range (rand, 16, (gint32) size)] = (char) g_rand_int (rand);
    try_bytes (copy, size);
  }
  g_free (bytes);
}
END_TEST

/* The file is written anew while it is in use: names stay, lines end. */
START_TEST (changed_meanwhile)
{
  BpSymbolAnswer a;
  ck_assert (command ("$CC -g $F -static -no-pie -fno-pie p.c -o fixed"));
  open_file ("file=fixed");
  ck_assert (command (": >fixed"));
  ck_assert (ask (address_of ("outer"), 3, 0, &a));
  ck_assert_str_eq (a.name, "outer");
  ck_assert (!a.file);
}
END_TEST

int
main (void)
{
  make_folder ();
  if (!command ("$CC $F -static -no-pie -fno-pie p.c -o probe && command -v objcopy && command -v readelf && command -v strip")) {
    printf ("no compiler that makes programs here\n");
    scratch_free (directory);
    return 77;
  }
  Suite *suite = suite_create ("elf-symbols");
  TCase *tc = tcase_create ("elf-symbols");
  tcase_add_checked_fixture (tc, NULL, teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, fixed);
  tcase_add_test (tc, older_dwarf);
  tcase_add_test (tc, position_independent);
  tcase_add_test (tc, stripped);
  tcase_add_test (tc, debug_link);
  tcase_add_test (tc, dynamic_symbols);
  tcase_add_test (tc, bits32);
  tcase_add_test (tc, kernel);
  tcase_add_test (tc, names_of_cxx);
  tcase_add_test (tc, growing_names);
  tcase_add_test (tc, not_programs);
  tcase_add_test (tc, audience);
  tcase_add_test (tc, multiboot);
  tcase_add_test (tc, kallsyms);
  tcase_add_test (tc, nm_text);
  tcase_add_test (tc, bad_text);
  tcase_add_test (tc, broken);
  tcase_add_test (tc, changed_meanwhile);
  suite_add_tcase (suite, tc);
  int failed = suite_run (suite);
  scratch_free (directory);
  return failed;
}
