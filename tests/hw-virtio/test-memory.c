/* test-memory.c -- virtio-pmem and virtio-mem: where their memory is, what is flushed, plugged and unplugged, and requests that no driver makes. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include "../random-numbers.h"
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/machine.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

const BpPluginDesc *bp_plugin_query (void);

#define BASE (UINT64_C (1) << 32)
#define BLOCK (UINT64_C (2) << 20)
#define SIZE (UINT64_C (128) << 20)

/* --- addresses, and a file as memory ------------------------------------------------------------- */

typedef struct Slots {
  BpRegion *window;
  uint64_t next;
} Slots;

static bool
slots_configure (void *self, GError **error)
{
  Slots *s = self;
  s->window = bp_region_new_container (self, "window", UINT64_MAX);
  s->next = BASE;
  bp_region_publish (self, s->window, "the memory");
  return true;
}

static bool
slots_plug (void *self, void *device, BpRegion *region, uint64_t align, int *slot, uint64_t *address, GError **error)
{
  Slots *s = self;
  bp_test_expect_eq (*slot, BP_MEMORY_NO_SLOT);
  *address = *address == BP_MEMORY_ANYWHERE ? s->next : *address;
  s->next = *address + bp_region_size (region);
  bp_region_add (s->window, *address, region, 0);
  return true;
}

static void slots_unplug (void *self, void *device) { }
static const BpMemorySlotsIface slots_iface = { .struct_size = sizeof slots_iface, .plug = slots_plug, .unplug = slots_unplug };
static const BpInterfaceDesc slots_interfaces[] = { { BP_MEMORY_SLOTS_ID, &slots_iface }, { NULL, NULL } };
static const BpTypeDesc slots_type = {
  BP_TYPE ("some-slots", BP_KIND_DEVICE, Slots), .description = "addresses", .interfaces = slots_interfaces, .configure = slots_configure
};

typedef struct File {
  bool closed;                  /* its descriptor is none: flushing fails */
  bool keeps;                   /* it cannot be given back */
  int fd;
  uint8_t *host;
  BpRegion *region;
} File;

static bool
file_configure (void *self, GError **error)
{
  File *f = self;
  f->fd = memfd_create ("file", 0);
  f->host = ftruncate (f->fd, (off_t) SIZE) == 0 ? mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0) : MAP_FAILED;
  bp_test_expect (f->host != MAP_FAILED);
  f->region = bp_region_new_ram (self, "ram", f->host, SIZE);
  bp_region_publish (self, f->region, "the memory");
  return true;
}

static void
file_unrealize (void *self)
{
  File *f = self;
  bp_region_set_enabled (f->region, false);
  munmap (f->host, SIZE);
  close (f->fd);
}

static BpRegion *file_region (void *self) { return ((File *) self)->region; }
static uint64_t file_size (void *self) { return SIZE; }
static int file_fd (void *self) { return ((File *) self)->closed ? 9999 : ((File *) self)->fd; }
static bool file_discard (void *self, uint64_t offset, uint64_t n) { return !((File *) self)->keeps && !madvise (((File *) self)->host + offset, n, MADV_REMOVE); }
static const BpMemoryBackendIface file_iface = { .struct_size = sizeof file_iface, .region = file_region, .size = file_size, .fd = file_fd,
                                                 .discard = file_discard };
static const BpInterfaceDesc file_interfaces[] = { { BP_MEMORY_BACKEND_ID, &file_iface }, { NULL, NULL } };
static const BpProperty file_properties[] = { BP_PROP_BOOL ("closed", File, closed, false, "Its descriptor is none."),
                                               BP_PROP_BOOL ("keeps", File, keeps, false, "It cannot be given back."), BP_PROP_END };
static const BpTypeDesc file_type = {
  BP_TYPE ("some-file", BP_KIND_MEMORY, File), .description = "a file", .properties = file_properties, .interfaces = file_interfaces, .configure = file_configure,
  .unrealize = file_unrealize
};

/* --- machines ------------------------------------------------------------------------------------- */

#define WITHOUT_SLOTS \
  "[memory ram]\ntype = test-ram\nsize = 1M\n[map ram]\nregion = ram\nat = memory@0\n[device probe]\ntype = test-probe\n" \
  "[device bus]\ntype = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n"
#define MACHINE WITHOUT_SLOTS "[device slots]\ntype = some-slots\nwindow = memory@0\n"
#define FILE_PMEM(more) MACHINE "[memory file]\ntype = some-file\n" more "[device d]\ntype = virtio-pmem\nbus = bus\naddress = 0\nmemory = file\n"
#define MEM(more) MEM_OF ("", more)
#define MEM_OF(file, more) MACHINE "[memory file]\ntype = some-file\n" file "[device d]\ntype = virtio-mem\nbus = bus\naddress = 0\nslots = slots\nmemory = file\n" more

static const BpTypeDesc *const *
types (void)
{
  static const BpTypeDesc *all[32] = { &slots_type, &file_type };
  for (unsigned i = 0; bp_plugin_query ()->types[i]; i++)
    all[i + 2] = bp_plugin_query ()->types[i];
  return all;
}

static BpTestVirtio *
driver (BpTest *t)
{
  BpTestVirtio *v = bp_test_virtio_mmio (t, 0x10000000, 0x10000, 0xe0000);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
  return v;
}

/* --- virtio-pmem ------------------------------------------------------------------------------------- */

static uint32_t
pmem_request (BpTestVirtio *v, uint32_t type)
{
  uint32_t result = 77;
  bp_test_expect_eq (bp_test_virtio_call (v, 0, &type, 4, &result, 4), 4);
  return result;
}

BP_TEST (a_file_is_memory)
{
  BpTest *t = bp_test_new (types (), FILE_PMEM (""));
  BpTestVirtio *v = driver (t);
  bp_test_expect_eq (bp_test_virtio_device_id (v), 27);
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 8), BASE);
  bp_test_expect_eq (bp_test_virtio_config (v, 8, 8), SIZE);
  bp_test_store32 (t, BASE + 0x1000, 0x12345678);
  bp_test_expect_eq (pmem_request (v, 0), 0);
  uint32_t kept = 0;
  bp_test_expect_eq (pread (((File *) bp_test_object (t, "file"))->fd, &kept, 4, 0x1000), 4);
  bp_test_expect_eq (kept, 0x12345678);
  bp_test_keep_log ("guest_errors");
  bp_test_expect_eq (pmem_request (v, 1), 1);
  bp_test_round_trip (t);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "unknown type 1");
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (flushing_fails)
{
  BpTest *t = bp_test_new (types (), FILE_PMEM ("closed = on\n"));
  BpTestVirtio *v = driver (t);
  bp_test_keep_log ("guest_errors");
  bp_test_expect_eq (pmem_request (v, 0), 1);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* The driver goes, and the machine, while flushes are under way. */
BP_TEST (lost_flushes)
{
  for (unsigned round = 0; round < 40; round++) {
    BpTest *t = bp_test_new (types (), FILE_PMEM (""));
    BpTestVirtio *v = driver (t);
    uint32_t flush = 0;
    for (unsigned i = 0; i < 8; i++)
      bp_test_virtio_add_bytes (v, 0, &flush, 4, 4, NULL);
    bp_test_virtio_kick (v, 0);
    if (round & 1) {
      bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
      bp_test_expect_eq (pmem_request (v, 0), 0);
    }
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (too_short)
{
  static const struct { uint32_t out, in; } cases[] = { { 3, 4 }, { 4, 3 }, { 4, 0 }, { 0, 4 } };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    BpTest *t = bp_test_new (types (), FILE_PMEM (""));
    BpTestVirtio *v = driver (t);
    uint32_t flush = 0;
    bp_test_keep_log ("guest_errors");
    bp_test_virtio_add_bytes (v, 0, &flush, cases[i].out, cases[i].in, NULL);
    bp_test_virtio_kick (v, 0);
    bp_test_expect (bp_test_virtio_status (v) & 0x40);          /* DEVICE_NEEDS_RESET */
    bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
    bp_test_expect_eq (pmem_request (v, 0), 0);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* --- virtio-mem ----------------------------------------------------------------------------------------- */

enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, ERROR };

typedef struct Request {
  uint16_t type, padding[3];
  uint64_t address;
  uint16_t n_blocks, more[3];
} Request;

static unsigned last_state;

static unsigned
mem_request (BpTestVirtio *v, unsigned type, uint64_t block, unsigned n)
{
  Request r = { .type = (uint16_t) type, .address = BASE + block * BLOCK, .n_blocks = (uint16_t) n };
  uint16_t answer[5] = { 77 };
  bp_test_expect_eq (bp_test_virtio_call (v, 0, &r, sizeof r, answer, sizeof answer), 10);
  last_state = answer[4];
  return answer[0];
}

static void
set_requested (BpTest *t, const char *size)
{
  bp_test_expect (bp_object_set (bp_test_object (t, "d"), "requested-size", size, NULL));
}

BP_TEST (grows_and_shrinks)
{
  BpTest *t = bp_test_new (types (), MEM ("requested-size = 8M\n"));
  BpTestVirtio *v = driver (t);
  bp_test_expect_eq (bp_test_virtio_device_id (v), 24);
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 8), BLOCK);
  bp_test_expect_eq (bp_test_virtio_config (v, 16, 8), BASE);
  bp_test_expect_eq (bp_test_virtio_config (v, 24, 8), SIZE);
  bp_test_expect_eq (bp_test_virtio_config (v, 32, 8), SIZE);
  bp_test_expect_eq (bp_test_virtio_config (v, 40, 8), 0);
  bp_test_expect_eq (bp_test_virtio_config (v, 48, 8), 4 * BLOCK);
  bp_test_expect_eq (mem_request (v, PLUG, 1, 3), ACK);
  bp_test_expect_eq (bp_test_virtio_config (v, 40, 8), 3 * BLOCK);
  bp_test_expect_eq (mem_request (v, PLUG, 3, 1), ERROR);       /* it is */
  bp_test_expect_eq (mem_request (v, PLUG, 4, 2), NACK);        /* more than is wanted */
  bp_test_expect_eq (mem_request (v, PLUG, 63, 1), ACK);
  bp_test_expect_eq (mem_request (v, STATE, 1, 3), ACK);
  bp_test_expect_eq (last_state, 0);
  bp_test_expect_eq (mem_request (v, STATE, 0, 2), ACK);
  bp_test_expect_eq (last_state, 2);
  bp_test_expect_eq (mem_request (v, STATE, 4, 50), ACK);
  bp_test_expect_eq (last_state, 1);
  bp_test_store32 (t, BASE + 2 * BLOCK, 0x55aa55aa);
  bp_test_round_trip (t);
  bp_test_expect_eq (bp_test_load32 (t, BASE + 2 * BLOCK), 0x55aa55aa);
  set_requested (t, "2M");
  bp_test_expect_eq (bp_test_virtio_interrupts (v, -1), 1);
  bp_test_expect_eq (bp_test_virtio_config (v, 48, 8), BLOCK);
  bp_test_round_trip (t);
  bp_test_expect_eq (bp_test_virtio_config (v, 48, 8), BLOCK);
  bp_test_expect_eq (mem_request (v, UNPLUG, 0, 3), ERROR);     /* not all of it is there */
  bp_test_expect_eq (mem_request (v, UNPLUG, 2, 2), ACK);
  bp_test_expect_eq (bp_test_load32 (t, BASE + 2 * BLOCK), 0);  /* gone, and the host has it back */
  unsigned char resident;
  bp_test_expect_eq (bp_test_virtio_config (v, 40, 8), 2 * BLOCK);
  bp_test_expect_eq (mem_request (v, UNPLUG_ALL, 0, 0), ACK);
  bp_test_expect_eq (bp_test_virtio_config (v, 40, 8), 0);
  bp_test_expect_eq (mincore (((File *) bp_test_object (t, "file"))->host + 3 * BLOCK, 4096, &resident), 0);
  bp_test_expect_eq (resident & 1, 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* Memory that cannot be given back is empty all the same when it is plugged again. */
BP_TEST (memory_that_stays)
{
  BpTest *t = bp_test_new (types (), MEM_OF ("keeps = on\n", "requested-size = 8M\n"));
  BpTestVirtio *v = driver (t);
  bp_test_expect_eq (mem_request (v, PLUG, 0, 2), ACK);
  bp_test_store32 (t, BASE + BLOCK, 0x55aa55aa);
  bp_test_expect_eq (mem_request (v, UNPLUG, 0, 2), ACK);
  bp_test_expect_eq (mem_request (v, PLUG, 1, 1), ACK);
  bp_test_expect_eq (bp_test_load32 (t, BASE + BLOCK), 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* A reset takes it all; what was in it does not come back. */
BP_TEST (reset_unplugs)
{
  BpTest *t = bp_test_new (types (), MEM ("requested-size = 8M\n"));
  BpTestVirtio *v = driver (t);
  bp_test_expect_eq (mem_request (v, PLUG, 0, 4), ACK);
  bp_test_store32 (t, BASE, 1);
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_virtio_free (v);
  v = driver (t);
  bp_test_expect_eq (bp_test_virtio_config (v, 40, 8), 0);
  bp_test_expect_eq (mem_request (v, PLUG, 0, 1), ACK);
  bp_test_expect_eq (bp_test_load32 (t, BASE), 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* Nothing that a driver says leads out of the memory, or makes the device lose count. */
BP_TEST (random_drivers)
{
  BpTest *t = bp_test_new (types (), MEM ("requested-size = 64M\n"));
  BpTestVirtio *v = driver (t);
  bool plugged[64] = { false };
  unsigned n_plugged = 0;
  bp_test_keep_log ("guest_errors");
  for (unsigned round = 0; round < 4000; round++) {
    bool wild = random64 () % 4 == 0;
    Request r = { .type = (uint16_t) (random64 () % 6), .address = BASE + random64 () % 66 * BLOCK, .n_blocks = (uint16_t) (random64 () % 6) };
    uint16_t answer[5] = { 77 };
    if (wild) {
      r.address += random64 () % 3 ? random64 () : random64 () % BLOCK;
      r.n_blocks = (uint16_t) random64 ();
    }
    uint64_t block = (r.address - BASE) / BLOCK;
    bool fits = r.address >= BASE && (r.address - BASE) % BLOCK == 0 && block < 64 && r.n_blocks && r.n_blocks <= 64 - block;
    unsigned n = 0, expected = ERROR;
    for (unsigned i = 0; fits && i < r.n_blocks; i++)
      n += plugged[block + i];
    if (r.type == UNPLUG_ALL)
      expected = ACK;
    else if (fits && r.type == PLUG && n == 0)
      expected = n_plugged + r.n_blocks > 32 ? NACK : ACK;
    else if (fits && r.type == UNPLUG && n == r.n_blocks)
      expected = ACK;
    else if (fits && r.type == STATE)
      expected = ACK;
    bp_test_expect_eq (bp_test_virtio_call (v, 0, &r, sizeof r, answer, sizeof answer), 10);
    bp_test_expect_eq (answer[0], expected);
    for (unsigned i = 0; expected == ACK && i < 64; i++)
      if (r.type == UNPLUG_ALL || (r.type < UNPLUG_ALL && i >= block && i < block + r.n_blocks))
        plugged[i] = r.type == PLUG;
    n_plugged = 0;
    for (unsigned i = 0; i < 64; i++)
      n_plugged += plugged[i];
    bp_test_expect_eq (bp_test_virtio_config (v, 40, 8), n_plugged * BLOCK);
  }
  g_free (bp_test_take_log ());
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (refusals)
{
  static const struct { const char *text, *why; } cases[] = {
    { MEM ("block-size = 3M\n"), "not a power of two" },
    { MEM ("requested-size = 3M\n"), "not a multiple of block-size" },
    { MEM ("requested-size = 1G\n"), "more than the memory has" },
    { WITHOUT_SLOTS "[memory file]\ntype = some-file\n[device d]\ntype = virtio-mem\nbus = bus\naddress = 0\nmemory = file\n",
      "the machine has no addresses for its memory" },
    { MACHINE "[device d]\ntype = virtio-mem\nbus = bus\naddress = 0\nslots = slots\nmemory = ram\n", "ram has 1048576 bytes, which is not a multiple of 134217728" },
    { MACHINE "[device d]\ntype = virtio-pmem\nbus = bus\naddress = 0\nslots = slots\nmemory = ram\n", "not a multiple of 2097152" },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *refusal = bp_test_refusal (types (), cases[i].text);
    bp_test_expect_has (refusal, cases[i].why);
  }
}

BP_TEST_MAIN ("virtio memory", &a_file_is_memory, &flushing_fails, &lost_flushes, &too_short, &grows_and_shrinks, &memory_that_stays, &reset_unplugs, &random_drivers, &refusals)
