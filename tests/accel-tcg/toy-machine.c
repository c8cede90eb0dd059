/* toy-machine.c -- a machine of real core memory, the accelerator under test, and one toy CPU. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "toy-cpu.h"
#include <backplane/clock.h>
#include <check.h>
#include <string.h>

const ToyOptions toy_ways[] = {
  { .backend = "auto" },
  { .backend = "interp" },
  { .backend = "auto", .buffer_size = 20000 },
  { .backend = "auto", .buffer_size = 4 * CODE_REGION_MIN },
  { .backend = "auto", .no_chain = true, .no_optimise = true },
  { .backend = "auto", .hot_after = 1 },
  { .backend = "interp", .hot_after = 3 },
  { .backend = "auto", .buffer_size = 4 * CODE_REGION_MIN, .hot_after = 2 },
};
const unsigned toy_n_ways = G_N_ELEMENTS (toy_ways);

static Toy *
toy_of (void *self)
{
  return (Toy *) object_of (self)->machine;
}

/* --- devices ---------------------------------------------------------------------------------- */

static uint64_t
device_read (void *self, uint64_t offset, unsigned size)
{
  return toy_device_read (&toy_of (self)->board, (uint32_t) offset, size);
}

static void
device_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Toy *t = toy_of (self);
  if (offset == 0x10 && t->window_region)
    bp_region_set_enabled (t->window_region, value & 1);
  toy_device_write (&t->board, (uint32_t) offset, (uint32_t) value, size);
}

static uint64_t
port_read (void *self, uint64_t offset, unsigned size)
{
  return toy_of (self)->board.counter += 0x01020304;
}

static void
port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Toy *t = toy_of (self);
  if (offset == TOY_PORT_ACK)
    bp_vcpu_lower (t->vcpu, BP_VCPU_IRQ_HARD);
  else if (offset == TOY_PORT_TIMER)
    bp_timer_arm (t->timer, bp_clock_now (&t->machine, BP_CLOCK_VIRTUAL) + (int64_t) value);
  t->board.hash = toy_mix (t->board.hash, (uint32_t) (value + offset));
}

static const BpRegionOps device_ops = BP_REGION_OPS (.flags = BP_REGION_OPS_UNALIGNED, .read = device_read, .write = device_write);
static const BpRegionOps port_ops = BP_REGION_OPS (.flags = BP_REGION_OPS_UNALIGNED, .read = port_read, .write = port_write);

static void
timer_fires (void *user)
{
  bp_vcpu_raise (((Toy *) user)->vcpu, BP_VCPU_IRQ_HARD);
}

/* --- building --------------------------------------------------------------------------------- */

static const BpInterfaceDesc cpu_interfaces[] = { { BP_TCG_FRONTEND_ID, &toy_frontend }, { BP_CPU_DEBUG_ID, &toy_debug }, { NULL, NULL } };
static const BpTypeDesc cpu_type = { BP_TYPE ("toy-cpu", BP_KIND_CPU, ToyCpu), .description = "toy", .interfaces = cpu_interfaces };
extern const BpPluginDesc *bp_plugin_query (void);

static void
make_accel (Toy *t, const ToyOptions *o)
{
  GError *error = NULL;
  const BpTypeDesc *type = bp_plugin_query ()->types[0];
  t->accel_object = object_new (type, "accel", &t->machine);
  t->machine.accel = t->accel_object;
  t->machine.accel_iface = type_interface (type, BP_ACCEL_ID);
  if (strcmp (o->backend, "auto"))
    ck_assert (object_set (t->accel_object, "backend", o->backend, NULL, NULL));
  ck_assert (object_set (t->accel_object, "code-cache", "4M", NULL, NULL));
  g_autofree char *hot_after = g_strdup_printf ("%u", o->hot_after);
  ck_assert (object_set (t->accel_object, "hot-after", hot_after, NULL, NULL));
  ck_assert (object_set (t->accel_object, "chain", o->no_chain ? "off" : "on", NULL, NULL));
  ck_assert (object_set (t->accel_object, "optimise", o->no_optimise ? "off" : "on", NULL, NULL));
  ck_assert_msg (object_configure (t->accel_object, &error) && object_realize (t->accel_object, &error), "%s", error ? error->message : "");
}

static void
make_memory (Toy *t, const ToyOptions *o)
{
  t->board.ram = g_aligned_alloc0 (1, TOY_RAM_SIZE, 4096);
  t->rom = g_aligned_alloc0 (1, 4096, 4096);
  t->window = g_aligned_alloc0 (1, 4096, 4096);
  for (unsigned i = 0; i < o->n_rom; i++)
    memcpy (t->rom + 4 * i, &o->rom[i], 4);
  t->memory = bp_region_new_container (NULL, "memory", UINT64_MAX);
  t->io = bp_region_new_container (NULL, "io", 0x10000);
  t->ram_region = bp_region_new_ram (t->cpu, "ram", t->board.ram, TOY_RAM_SIZE);
  t->rom_region = bp_region_new_rom (t->cpu, "rom", t->rom, 4096);
  t->window_region = bp_region_new_ram (t->cpu, "window", t->window, 4096);
  t->device_region = bp_region_new_io (t->cpu, "device", &device_ops, 0x1000);
  t->port_region = bp_region_new_io (t->cpu, "ports", &port_ops, 0x100);
  bp_memory_begin ();
  bp_region_add (t->memory, 0, t->ram_region, 0);
  bp_region_add (t->memory, TOY_ROM, t->rom_region, 0);
  bp_region_add (t->memory, TOY_DEVICE, t->device_region, 0);
  bp_region_add (t->memory, TOY_WINDOW, t->window_region, 0);
  bp_region_add (t->io, 0, t->port_region, 0);
  bp_memory_commit ();
  t->memory_space = bp_address_space_new (&t->machine, "memory", t->memory);
  t->io_space = bp_address_space_new (&t->machine, "io", t->io);
  t->machine.objects = g_ptr_array_new ();
  t->machine.address_spaces = g_ptr_array_new ();
  g_ptr_array_add (t->machine.address_spaces, t->memory_space);
  g_ptr_array_add (t->machine.address_spaces, t->io_space);
}

Toy *
toy_new (const ToyOptions *o)
{
  GError *error = NULL;
  Toy *t = g_new0 (Toy, 1);
  BpMachine *m = &t->machine;
  g_rec_mutex_init (&m->lock);
  m->deterministic = o->deterministic;
  m->icount_shift = 3;
  clock_init (m);
  t->cpu_object = object_new (&cpu_type, "cpu", m);
  t->cpu = object_instance (t->cpu_object);
  make_memory (t, o);
  make_accel (t, o);
  t->vcpu = vcpu_new (t->cpu_object, 0);
  m->vcpus = g_ptr_array_new ();
  g_ptr_array_add (m->vcpus, t->vcpu);
  t->timer = bp_timer_new (t->cpu, BP_CLOCK_VIRTUAL, timer_fires, t);
  ck_assert_msg (vcpus_init (m, &error), "%s", error ? error->message : "");
  TcgMachine *tcg = toy_tcg (t);
  if (o->buffer_size)
    tcg->buffer.size = tcg->buffer_start + o->buffer_size;
  tb_regions_init (tcg);
  clock_start (m);
  return t;
}

void
toy_free_machine (Toy *t)
{
  BpMachine *m = &t->machine;
  size_t mapped = 4u << 20;
  vcpus_join (m);
  bp_timer_free (t->timer);
  if (toy_vcpu (t)->machine && ((TcgMachine *) toy_vcpu (t)->machine)->buffer.size)
    ((TcgMachine *) toy_vcpu (t)->machine)->buffer.size = mapped;
  object_unrealize (t->accel_object);
  bp_address_space_free (t->memory_space);
  bp_address_space_free (t->io_space);
  bp_region_free (t->ram_region);
  bp_region_free (t->rom_region);
  bp_region_free (t->window_region);
  bp_region_free (t->device_region);
  bp_region_free (t->port_region);
  bp_region_free (t->memory);
  bp_region_free (t->io);
  vcpu_free (t->vcpu);
  object_free (t->cpu_object);
  object_free (t->accel_object);
  clock_finish (m);
  g_ptr_array_unref (m->vcpus);
  g_ptr_array_unref (m->objects);
  g_ptr_array_unref (m->address_spaces);
  g_rec_mutex_clear (&m->lock);
  g_aligned_free (t->board.ram);
  g_aligned_free (t->rom);
  g_aligned_free (t->window);
  g_free (t);
}

/* --- running ------------------------------------------------------------------------------------ */

void
toy_start (Toy *t, const ToyState *s)
{
  t->cpu->s = *s;
  t->machine.accel_iface->vcpu_synchronise (object_instance (t->accel_object), t->vcpu);
  ck_assert (vcpus_start (&t->machine, NULL));
}

void
toy_stop (Toy *t)
{
  vcpus_stop (&t->machine);
}

void
toy_wait_stopped (Toy *t)
{
  int64_t end = patience_ends (20);
  while (__atomic_load_n (&t->cpu->s.halted, __ATOMIC_ACQUIRE) != TOY_STOPPED) {
    if (g_get_monotonic_time () > end)
      ck_abort_msg ("the guest did not stop; pc %x after %u interrupts", t->cpu->s.pc, t->cpu->n_interrupts);
    g_usleep (20);
  }
  toy_stop (t);
}

void
toy_put (uint8_t *ram, const ToyCode *c)
{
  g_assert (c->origin + 4 * c->n <= TOY_RAM_SIZE);
  memcpy (ram + c->origin, c->word, 4 * c->n);
}
