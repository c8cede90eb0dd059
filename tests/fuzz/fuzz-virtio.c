/* fuzz-virtio.c -- any bytes are what a driver does to a virtio device: rings, descriptors, requests, configuration, registers, resets, saves. */
/* SPDX-License-Identifier: MIT */
/*
 * The first byte is the device (a row of `devices'; FUZZ_VIRTIO=NAME in the environment: that one always), the second bus and rings, the third the features that
 * the driver takes.  Then come steps: a byte that says which, and what it needs.  A new device is a row.
 * A device that another process drives has the tests' back end, in a thread that does nothing unless it is asked; what it answers is the input's to say.
 */
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/input.h>
#include <backplane/iface/screen.h>
#include <backplane/plugin.h>
#include <backplane/test-pci.h>
#include <backplane/test-virtio.h>
#include "../hw-virtio/net-test.h"
#include "../hw-virtio/vhost-back-end.h"
#include "build.h"
#include "mem-backends/mem-backend.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
const BpPluginDesc *bp_plugin_query (void);

/* --- addresses for memory ------------------------------------------------------------------------- */

typedef struct Slots {
  BpRegion *window;
} Slots;

static bool
slots_configure (void *self, GError **error)
{
  Slots *s = self;
  s->window = bp_region_new_container (self, "window", UINT64_MAX);
  bp_region_publish (self, s->window, "What was added.");
  return true;
}

static bool
slots_plug (void *self, void *device, BpRegion *region, uint64_t align, int *slot, uint64_t *address, GError **error)
{
  *address = UINT64_C (1) << 32;
  bp_region_add (((Slots *) self)->window, *address, region, 0);
  return true;
}

static void slots_unplug (void *self, void *device) { }
static const BpMemorySlotsIface slots_iface = { .struct_size = sizeof slots_iface, .plug = slots_plug, .unplug = slots_unplug };
static const BpInterfaceDesc slots_interfaces[] = { { BP_MEMORY_SLOTS_ID, &slots_iface }, { NULL, NULL } };
static const BpTypeDesc slots_type = {
  BP_TYPE ("fuzz-slots", BP_KIND_DEVICE, Slots), .description = "addresses", .interfaces = slots_interfaces, .configure = slots_configure
};
enum { VHOST_ALL = BACK_END_STEPS | BACK_END_INFLIGHT | BACK_END_LOGS | BACK_END_PACKED | BACK_END_CHANNEL | BACK_END_WCE };
#define MEMORY(size) "[device slots]\ntype = fuzz-slots\nwindow = memory@0\n[memory more]\ntype = test-ram\nsize = " size "\n"
/* That no other process can have. */
#define OWN_MEMORY "[memory own]\ntype = test-ram\nsize = 64K\n[map own]\nregion = own\nat = memory@1M\n"

/* --- devices ----------------------------------------------------------------------------------- */

/* keys: of its section, beside bus and address (@ stands for a file of the machine's own); more: sections that it links to.
 * async: the machine is not deterministic, so answers may come at any time; it is not saved, for a test's machine loads only what is.
 * Nor is one with a back end, which may find fault with its rings as soon as it has them again: then the driver is told, and what was saved is not what there is.
 * knows: what its back end does (vhost-back-end.h); 0: it has none. */
typedef struct FuzzDevice {
  const char *name, *keys, *more;
  bool async;
  unsigned knows;
} FuzzDevice;

static const FuzzDevice devices[] = {
  { "blk", "type = virtio-blk\ndrive = disk\nqueues = 4\nwerror = stop\n", "[backend disk]\ntype = test-block\nsize = 1M\n", true, 0 },
  { "blk-repeats", "type = virtio-blk\ndrive = disk\nrerror = ignore\n", "[backend disk]\ntype = test-block\nsize = 64K\n", false, 0 },
  { "rng", "type = virtio-rng\nseed = 1\n", "", false, 0 },
  { "rng-limited", "type = virtio-rng\nseed = 1\nmax-bytes = 100\nperiod = 5\n", "", false, 0 },
  { "net", "type = virtio-net\nbackend = net\nqueues = 2\n", "[backend net]\ntype = net-test\nloop = on\n", false, 0 },
  { "console", "type = virtio-console\nconsoles = 2\nport2 = line\nname2 = line\n", "[backend line]\ntype = test-char\n", false, 0 },
  { "balloon", "type = virtio-balloon\nstatistics-interval = 1\n", "", false, 0 },
  { "keyboard", "type = virtio-input\nkind = keyboard\n", "", false, 0 },
  { "tablet", "type = virtio-input\nkind = tablet\n", "", false, 0 },
  { "vsock", "type = virtio-vsock\npath = @\n", "", false, 0 },
  { "pmem", "type = virtio-pmem\nslots = slots\nmemory = more\n", MEMORY ("2M"), false, 0 },
  { "mem", "type = virtio-mem\nslots = slots\nmemory = more\nrequested-size = 64M\n", MEMORY ("128M"), false, 0 },
  { "fs", "type = virtio-fs\nfolder = /etc\nread-only = on\nthreads = 1\n", "", false, 0 },
  { "gpu", "type = virtio-gpu\nheads = 2\nmemory = 1M\n", "", false, 0 },
  { "vhost-user-blk", "type = vhost-user-blk\nsocket = unix:@\nqueues = 2\nreconnect = 1\n", OWN_MEMORY, false, VHOST_ALL },
  { "vhost-user-blk-once", "type = vhost-user-blk\nsocket = unix:@\n", OWN_MEMORY, false, BACK_END_STEPS | BACK_END_CHANNEL },
  { "vhost-user-net", "type = vhost-user-net\nsocket = unix:@\nreconnect = 1\n", OWN_MEMORY, false, VHOST_ALL | BACK_END_NET },
};

/* --- the machine --------------------------------------------------------------------------------- */

enum { RAM = 1 << 20, RINGS = 0x10000, RINGS_SIZE = 0x80000, REQUESTS = 0x90000, REQUESTS_SIZE = 0x60000, MMIO = 0x10000000 };
enum { MACHINES = 16, QUEUES = 8, NEXT = 1, WRITE = 2, INDIRECT = 4, AVAILABLE = 1 << 7, USED = 1 << 15 };

typedef struct Fuzz {
  const uint8_t *at, *end;
  BpTest *t;
  BpTestVirtio *v;
  const FuzzDevice *device;
  unsigned how;
  bool pci, packed, legacy;
  BackEnd *back_end;            /* NULL: none */
  bool saves;                   /* once: it takes as long as all else in most inputs, and few do it */
  struct { uint64_t area[3]; unsigned size; uint16_t next; bool wrap; } queues[QUEUES];
} Fuzz;

static uint64_t
take (Fuzz *f, unsigned size)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < size && f->at < f->end; i++)
    value |= (uint64_t) *f->at++ << 8 * i;
  return value;
}

static bool is_pci (unsigned how) { return how & 1; }
static bool is_packed (unsigned how) { return how & 2; }
static bool has_doorbells (unsigned how) { return how & 4; }
static bool is_legacy (unsigned how) { return (how & 0x81) == 0x81; }
static unsigned number_of (unsigned how) { return (how & 7) | (is_legacy (how) ? 8 : 0); }

static char *
own_file (const FuzzDevice *d, unsigned how)
{
  return g_strdup_printf ("%s/fuzz-virtio-%d-%u-%u", g_get_tmp_dir (), (int) getpid (), (unsigned) (d - devices), number_of (how));
}

static char *
machine_text (const FuzzDevice *d, unsigned how, const char *file)
{
  g_auto (GStrv) parts = g_strsplit (d->keys, "@", -1);
  g_autofree char *keys = g_strjoinv (file, parts);
  return g_strdup_printf (
    "[memory ram]\ntype = %s\nsize = 1M\n[map ram]\nregion = ram\nat = memory@0\n%s[device bus]\npacked = %s\n%s%s"
    "[device d]\nbus = bus\naddress = %s\n%s%s%s",
    d->knows ? "memory-memfd" : "test-ram", is_pci (how) ? "[device pci]\ntype = test-pci\n" : "[device probe]\ntype = test-probe\n", is_packed (how) ? "on" : "off",
    is_legacy (how) ? "type = virtio-pci\nbus = pci\nlegacy = on\n" : is_pci (how) ? "type = virtio-pci\nbus = pci\n"
                                                                    : "type = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n",
    has_doorbells (how) ? "doorbells = on\n" : "", is_pci (how) ? "03.0" : "0", keys, d->more, d->async ? "[override clock]\nmode = host\n" : "");
}

static const BpTypeDesc *const *
all_types (void)
{
  static const BpTypeDesc *types[64] = { &net_test_type, &slots_type, &memory_memfd_type };
  const BpTypeDesc *const *own = bp_plugin_query ()->types;
  for (unsigned n = 0; own[n] && n < G_N_ELEMENTS (types) - 4; n++)
    types[n + 3] = own[n];
  return types;
}

/* --- a back end: its thread stands still but in calls of it, and while it is asked -------------------------------- */

/* Whether a device that looks for one has it: for no longer than that takes. */
static bool
come_back (BackEnd *b, BpTest *t, unsigned knows)
{
  enum { ATTEMPTS = 60, PATIENCE = 100 /* us */ };
  back_end_listen (b, knows);
  for (unsigned i = 0; i < ATTEMPTS && back_end_listens (b); i++) {
    bp_test_iterate (t);
    back_end_settle (b);
    if (back_end_listens (b))
      g_usleep (PATIENCE);
  }
  back_end_ignore (b);
  return back_end_is_there (b);
}

static bool looks_for_one (const FuzzDevice *d) { return strstr (d->keys, "reconnect"); }

/* false: it cannot have one that is fine. */
static bool
is_fine_again (const FuzzDevice *d, BackEnd *b, BpTest *t)
{
  back_end_script (b, NULL, 0);
  back_end_settle (b);
  bp_test_iterate (t);
  back_end_settle (b);
  return back_end_is_there (b) || (looks_for_one (d) && come_back (b, t, d->knows));
}

static unsigned
open_files (void)
{
  g_autoptr (GDir) d = g_dir_open ("/proc/self/fd", 0, NULL);
  unsigned n = 0;
  while (g_dir_read_name (d))
    n++;
  return n;
}

/* Nothing stays of a machine that is not made, or ends at once, whatever its back end says. */
static void
meet (const FuzzDevice *d, unsigned how, const uint8_t *bytes, size_t size)
{
  g_autofree char *usual = own_file (d, how), *file = g_strconcat (usual, "-meets", NULL), *text = machine_text (d, how, file);
  static bool once;
  if (!once)
    g_free (bp_test_refusal (all_types (), text));      /* nobody is there: what is opened once is */
  once = true;
  unsigned before = open_files ();
  BackEnd *b = back_end_new (file, BACK_END_FINE, d->knows);
  back_end_script (b, bytes, size);
  g_free (bp_test_refusal (all_types (), text));
  back_end_free (b);
  if (open_files () != before)
    g_error ("a back end's descriptors stay open");
}

/* --- machines are used again after a reset, since making one takes longer than most inputs; FUZZ_FRESH in the environment: they are not ------- */

typedef struct Machine {
  BpTest *t;
  BackEnd *back_end;
} Machine;

static void
open_machine (Machine *m, const FuzzDevice *d, unsigned how)
{
  g_autofree char *file = own_file (d, how), *text = machine_text (d, how, file);
  m->back_end = d->knows ? back_end_new (file, BACK_END_FINE, d->knows) : NULL;
  m->t = bp_test_new (all_types (), text);
}

static void
close_machine (Machine *m)
{
  bp_test_free (m->t);
  if (m->back_end)
    back_end_free (m->back_end);
  *m = (Machine) { .t = NULL };
}

static Machine *
machine_for (const FuzzDevice *d, unsigned how)
{
  static const uint8_t zeros[RAM];
  static Machine all[G_N_ELEMENTS (devices)][MACHINES];
  Machine *m = &all[d - devices][number_of (how)];
  if (m->t)
    bp_test_reset (m->t, BP_RESET_COLD);
  else
    open_machine (m, d, how);
  bp_test_write (m->t, 0, zeros, sizeof zeros);
  return m;
}

/* --- what a driver does ------------------------------------------------------------------------------ */

static uint64_t
reg (const Fuzz *f, unsigned pci, unsigned mmio)
{
  return bp_test_virtio_registers (f->v) + (f->pci ? pci : mmio);
}

static void
start_queue (Fuzz *f, unsigned n)
{
  unsigned most = bp_test_virtio_queue_most (f->v, n);
  if (!most)
    return;
  bp_test_virtio_queue (f->v, n, MIN (most, 64));
  bp_test_virtio_rings (f->v, n, &f->queues[n].area[0], &f->queues[n].area[1], &f->queues[n].area[2]);
  f->queues[n].size = MIN (most, 64);
  f->queues[n].next = 0;
  f->queues[n].wrap = true;
}

/* As a driver should, with such features as the input says: what is refused stays refused. */
static void
start (Fuzz *f, unsigned choice)
{
  static const uint64_t left_out[] = { 0, UINT64_C (1) << 28, UINT64_C (1) << 29, UINT64_C (3) << 28, 0xffff, 0xff00ff, 0xffffff, 0xffffff | UINT64_C (3) << 28 };
  bp_test_virtio_set_status (f->v, 0);
  memset (f->queues, 0, sizeof f->queues);
  uint64_t wanted = ~left_out[choice % G_N_ELEMENTS (left_out)] & (f->packed ? UINT64_MAX : ~(UINT64_C (1) << 34));
  if (!bp_test_virtio_try (f->v, wanted))
    return;
  for (unsigned i = 0; i < QUEUES; i++)
    start_queue (f, i);
  bp_test_virtio_set_status (f->v, 15);
}

static void
describe (Fuzz *f, uint64_t at, uint64_t address, uint32_t size, unsigned flags, unsigned other)
{
  bp_test_store (f->t, "memory", at, address, 8);
  bp_test_store (f->t, "memory", at + 8, size, 4);
  bp_test_store (f->t, "memory", at + 12, f->packed ? other : flags, 2);
  bp_test_store (f->t, "memory", at + 14, f->packed ? flags : other, 2);
}

/* A request that is well-formed: parts of the input's sizes and bytes. */
static void
request (Fuzz *f)
{
  unsigned n = (unsigned) take (f, 1) % QUEUES, shape = (unsigned) take (f, 1), n_parts = 1 + shape % 5, n_out = shape / 5 % (n_parts + 1);
  if (!f->queues[n].size)
    return;
  unsigned size = f->queues[n].size, head = f->queues[n].next % size;
  uint64_t where = REQUESTS + head * 0x1000u;
  for (unsigned i = 0; i < n_parts; i++) {
    uint32_t bytes = (uint32_t) take (f, 1), index = f->packed ? f->queues[n].next : (head + i) % size;
    unsigned flags = (i < n_out ? 0 : WRITE) | (i + 1 < n_parts ? NEXT : 0);
    bytes = bytes < 200 ? bytes + 1 : (bytes - 199) * 64;
    for (unsigned b = 0; i < n_out && b < bytes && f->at < f->end; b++)
      bp_test_store (f->t, "memory", (where + b) % (RAM - 1), take (f, 1), 1);
    if (f->packed)
      flags |= f->queues[n].wrap ? AVAILABLE : USED;
    describe (f, f->queues[n].area[0] + 16u * index, where, bytes, flags, f->packed ? head : (index + 1) % size);
    where += bytes;
    if (f->packed && ++f->queues[n].next == size) {
      f->queues[n].next = 0;
      f->queues[n].wrap = !f->queues[n].wrap;
    }
  }
  if (!f->packed) {
    uint64_t ring = f->queues[n].area[1];
    bp_test_store (f->t, "memory", ring + 4 + 2 * (bp_test_load (f->t, "memory", ring + 2, 2) % size), head, 2);
    bp_test_store (f->t, "memory", ring + 2, bp_test_load (f->t, "memory", ring + 2, 2) + 1, 2);
    f->queues[n].next = (uint16_t) (f->queues[n].next + n_parts);
  }
  bp_test_virtio_kick (f->v, n);
}

static void
any_descriptor (Fuzz *f)
{
  static const uint64_t bases[] = { REQUESTS, RINGS, RAM - 16, MMIO, 0, UINT64_MAX - 64, UINT64_C (1) << 32, REQUESTS };
  unsigned n = (unsigned) take (f, 1) % QUEUES, index = (unsigned) take (f, 1), base = (unsigned) take (f, 1);
  uint64_t address = bases[base % G_N_ELEMENTS (bases)] + take (f, 2);
  uint32_t size = (uint32_t) take (f, base & 0x80 ? 4 : 1);
  unsigned flags = (unsigned) take (f, 2), other = (unsigned) take (f, 2);
  if (f->queues[n].size)
    describe (f, f->queues[n].area[0] + 16u * (index % f->queues[n].size), address, size, flags, other % (f->queues[n].size + 1));
}

static void
any_ring_field (Fuzz *f)
{
  unsigned n = (unsigned) take (f, 1) % QUEUES, which = (unsigned) take (f, 1) % 3;
  uint64_t offset = take (f, 1) * 2, value = take (f, 2);
  if (f->queues[n].size)
    bp_test_store (f->t, "memory", f->queues[n].area[which] + offset, value, 2);
}

/* Those of 0.9.5: rings are in pages of memory. */
static void
any_port (Fuzz *f)
{
  uint16_t ports = (uint16_t) bp_test_pci_bar (f->t, "pci", BP_TEST_PCI (3, 0), 0);
  unsigned offset = (unsigned) take (f, 1) % 0x20, size = 1u << take (f, 1) % 3;
  uint32_t value = (uint32_t) take (f, size);
  if (ports)
    bp_test_store (f->t, "io", ports + offset, offset == 8 ? value % (RAM / 4096) : value, size);
}

static void
any_register (Fuzz *f)
{
  if (f->legacy && take (f, 1) & 1) {
    any_port (f);
    return;
  }
  uint64_t offset = take (f, 1), value = take (f, 4);
  unsigned size = 1u << take (f, 1) % 3;
  if (f->pci)
    bp_test_store (f->t, "memory", reg (f, (unsigned) offset % 0x38, 0), value, size);
  else
    bp_test_store (f->t, "memory", reg (f, 0, (unsigned) offset % 0x40 * 4), value, 4);
}

static void
any_configuration (Fuzz *f)
{
  unsigned offset = (unsigned) take (f, 1), size = 1u << take (f, 1) % 3;
  if (take (f, 1) & 1)
    bp_test_virtio_set_config (f->v, offset, take (f, size), size);
  else
    bp_test_virtio_config (f->v, offset, size);
}

static void
any_pci_register (Fuzz *f)
{
  unsigned offset = (unsigned) take (f, 1) & ~3u;
  uint32_t value = (uint32_t) take (f, 4);
  /* BARs stay where they are: what a driver does elsewhere in memory is not this target's */
  if (f->pci && (offset < 0x10 || offset >= 0x34))
    bp_test_pci_write (f->t, "pci", BP_TEST_PCI (3, 0), offset, value, 4);
}

/* --- what happens outside ----------------------------------------------------------------------------- */

/* Where guests connect to port 1. */
static int
listener (const Fuzz *f)
{
  static int fds[MACHINES];
  unsigned n = number_of (f->how);
  if (fds[n])
    return fds[n] - 1;
  g_autofree char *file = own_file (f->device, f->how);
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  g_snprintf (a.sun_path, sizeof a.sun_path, "%s_1", file);
  unlink (a.sun_path);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind (fd, (struct sockaddr *) &a, sizeof a) || listen (fd, 8))
    abort ();
  fds[n] = fd + 1;
  return fd;
}

static void
other_end (Fuzz *f)
{
  static int open[8];
  static unsigned next;
  int *place = &open[next++ % G_N_ELEMENTS (open)], fd = accept4 (listener (f), NULL, NULL, SOCK_NONBLOCK);
  unsigned what = (unsigned) take (f, 1);
  if (*place)
    close (*place - 1);
  *place = fd + 1;
  if (fd >= 0 && what & 1 && send (fd, "some text", what % 10, MSG_NOSIGNAL) < 0)
    return;
  if (fd >= 0 && what & 2)
    shutdown (fd, what & 4 ? SHUT_WR : SHUT_RD);
}

/* Displays look at what there is, or would like another size. */
static void
look (Fuzz *f, unsigned what)
{
  static BpScreenFrame frames[2];
  const BpScreenIface *screen = bp_test_interface (f->t, "d", BP_SCREEN_ID);
  void *gpu = bp_test_object (f->t, "d");
  unsigned width = what & 4 ? (unsigned) take (f, 2) : 0;
  bp_machine_lock (bp_test_machine (f->t));
  if (what & 4)
    screen->want_size (gpu, what & 3, width, (unsigned) take (f, 2));
  else
    screen->update_head (gpu, what & 1, &frames[what & 1]);
  bp_machine_unlock (bp_test_machine (f->t));
}

/* Of another process: it answers what it should not, goes, comes, speaks unasked. */
static void
other_process (Fuzz *f, unsigned what)
{
  static const BpMachineEvent events[] = { BP_MACHINE_STOPPED, BP_MACHINE_RESUMING, BP_MACHINE_OBJECT_ADDED };
  unsigned n = MIN (what >> 4, (unsigned) (f->end - f->at));
  const uint8_t *bytes = f->at;
  switch (what & 15) {
  case 0: case 1: case 2: case 3: back_end_script (f->back_end, bytes, n); f->at += n; break;
  case 4: back_end_hang_up (f->back_end); break;
  case 5: case 6:
    back_end_hang_up (f->back_end);
    bp_test_iterate (f->t);
    if (looks_for_one (f->device))
      come_back (f->back_end, f->t, what & 1 ? f->device->knows : f->device->knows & ((unsigned) take (f, 1) | BACK_END_NET));
    break;
  case 7: case 8: back_end_announce (f->back_end, what & 1 ? BACK_END_DISK / 512 : take (f, 2)); break;
  case 9: n = (unsigned) take (f, 1) % 8; back_end_speak (f->back_end, n, (unsigned) take (f, 1), f->at, MIN (n, (unsigned) (f->end - f->at))); break;
  case 10: case 11: back_end_mumble (f->back_end, what & 1, bytes, n); f->at += n; break;
  case 12: back_end_call (f->back_end, what >> 4); break;
  default: machine_tell (bp_test_machine (f->t), events[(what & 15) - 13], NULL); break;
  }
}

/* People type, servers answer. */
static void
outside (Fuzz *f)
{
  unsigned what = (unsigned) take (f, 1);
  if (strcmp (f->device->name, "console") == 0)
    bp_test_type (f->t, "line", "some text", what % 10);
  else if (strcmp (f->device->name, "keyboard") == 0)
    bp_input_send_key (bp_test_machine (f->t), what, take (f, 1) & 1);
  else if (strcmp (f->device->name, "tablet") == 0)
    bp_input_send_absolute (bp_test_machine (f->t), what << 7, (unsigned) take (f, 1) << 7, 0, what);
  else if (strcmp (f->device->name, "gpu") == 0)
    look (f, what);
  else if (strcmp (f->device->name, "vsock") == 0)
    other_end (f);
  else if (f->back_end)
    other_process (f, what);
}

static void
step (Fuzz *f)
{
  switch (take (f, 1) % 16) {
  case 0: case 1: case 2: case 3: request (f); break;
  case 4: case 5: any_descriptor (f); break;
  case 6: case 7: any_ring_field (f); break;
  case 8: bp_test_virtio_kick (f->v, (unsigned) take (f, 1) % (QUEUES + 2)); break;
  case 9: any_register (f); break;
  case 10: any_configuration (f); break;
  case 11: start (f, (unsigned) take (f, 1)); break;
  case 12: bp_test_advance (f->t, (int64_t) take (f, 2) * 10000); break;
  case 13: any_pci_register (f); break;
  case 14: bp_test_store (f->t, "memory", REQUESTS + take (f, 2), take (f, 8), 8); break;
  default:
    switch (take (f, 1) % 8) {
    case 0:
      if (f->saves)
        bp_test_round_trip (f->t);
      f->saves = false;
      break;
    case 1: bp_test_reset (f->t, BP_RESET_WARM); break;
    case 2: outside (f); break;
    default: bp_test_iterate (f->t); break;
    }
    break;
  }
  if (f->back_end)
    back_end_settle (f->back_end);
}

static const FuzzDevice *
choose (unsigned number)
{
  const char *name = getenv ("FUZZ_VIRTIO");
  for (unsigned i = 0; name && i < G_N_ELEMENTS (devices); i++)
    if (strcmp (name, devices[i].name) == 0)
      return &devices[i];
  return &devices[number % G_N_ELEMENTS (devices)];
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  enum { STEPS = 200 };
  if (size < 3)
    return 0;
  Fuzz f = { .at = data + 3, .end = data + size, .device = choose (data[0]), .how = data[1], .pci = is_pci (data[1]), .packed = is_packed (data[1]),
             .legacy = is_legacy (data[1]), .saves = (data[1] & 0x70) == 0x70 && !choose (data[0])->async && !choose (data[0])->knows };
  if (f.device->knows && (data[1] & 0x70) == 0x30) {
    meet (f.device, data[1], data + 3, size - 3);
    return 0;
  }
  Machine *m = machine_for (f.device, data[1]);
  f.t = m->t;
  f.back_end = m->back_end;
  f.v = f.pci ? bp_test_virtio_pci (f.t, "pci", BP_TEST_PCI (3, 0), RINGS, RINGS_SIZE) : bp_test_virtio_mmio (f.t, MMIO, RINGS, RINGS_SIZE);
  if (data[1] & 8)
    bp_test_virtio_use_pin (f.v);
  if (strcmp (f.device->name, "vsock") == 0)
    listener (&f);
  start (&f, data[2]);
  for (unsigned n = 0; n < STEPS && f.at < f.end; n++)
    step (&f);
  bp_test_virtio_free (f.v);
  /* All loops are one: a machine that looks for its back end would go on with that in the inputs that follow. */
  if (getenv ("FUZZ_FRESH") || (m->back_end && !is_fine_again (f.device, m->back_end, m->t)))
    close_machine (m);
  return 0;
}
