/* test-hammer.c -- random accesses to every register of every type: whatever a guest writes, the host goes on. */
/* SPDX-License-Identifier: MIT */
/*
 * A test a type, which runs rounds: a machine of its own, in which one object gets most of the accesses and the others the rest,
 * time passes, and everything is saved and loaded now and then.  A round is made by its seed alone.
 *   BACKPLANE_HAMMER_SECONDS=60   for each type, instead of 1; 0 is one round.  `make hammer` does that.
 *   BACKPLANE_HAMMER_SEED=12345   of the first round, instead of 1; the next takes the next number.  A failure prints it.
 *   BACKPLANE_HAMMER_TYPE=lapic   that type alone.
 */
#include <backplane/iface/input.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/power.h>
#include <backplane/iface/screen.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "harness-block.h"
#include "hw-pc-test.h"
#include "machine.h"
#include "memory.h"

#define ROUND 20000             /* accesses */
#define ROM_BYTE 0x5a

/* --- the machine: one of each, all wired, so that what one register does is seen by all ------------------ */

#define TEST_LINE(n) "irq" n " = pic.in" n ", ioapic.in" n "\n"
static const char everything[] =
  "[memory ram]\ntype = test-ram\nsize = 4M\n"
  "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\n"
  "pirq0 = piix.pirq0, ioapic.in16\npirq1 = piix.pirq1, ioapic.in17\npirq2 = piix.pirq2, ioapic.in18\npirq3 = piix.pirq3, ioapic.in19\n"
  "[device piix]\ntype = piix3\nbus = host\npio0 = io@0x3000\nirq9 = pic.in9, ioapic.in9\nirq10 = pic.in10, ioapic.in10\nirq11 = pic.in11, ioapic.in11\n"
  "[device pm]\ntype = piix4-pm\nbus = host\npio0 = io@0xb2\nsci = pic.in9, ioapic.in9\n[device acpi]\ntype = acpi-tables\nfirmware = cfg\nram = ram\n"
  "[device test]\ntype = pci-testdev\nbus = host\naddress = 03.0\n"
  "[device vga]\ntype = vga-pci\nbus = host\nvram = 1M\npio0 = io@0x3b0\npio1 = io@0x1ce\nwindow = memory@0xa0000\n"
  "[device vga2]\ntype = vga-isa\nvram = 1M\npio0 = io@0x43b0\npio1 = io@0x41ce\nwindow = memory@0xfc000000\nlfb = memory@0xfc100000\n"
  "[device rom]\ntype = bios-rom\nfile = %s\nlow = memory@0xf0000\ntop = memory@0xff000000\n"
  "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\npio2 = io@0x4d0\nintr = apic0.lint0, ioapic.in0\n"
  "[device apic0]\ntype = lapic\nmmio0 = memory@0xfee00000 prio 1\npic = pic\ncpu = cpu0\n"
  "intr = cpu0.intr\nnmi = cpu0.nmi\ninit = cpu0.init\nsmi = cpu0.smi\n"
  "[device apic1]\ntype = lapic\nid = 1\nmmio0 = memory@0xfee00000 prio 2\npic = pic\ncpu = cpu1\n"
  "intr = cpu1.intr\nnmi = cpu1.nmi\ninit = cpu1.init\nsmi = cpu1.smi\n"
  "[device ioapic]\ntype = ioapic\nmmio0 = memory@0xfec00000\n"
  "[device hpet]\ntype = hpet\nmmio0 = memory@0xfed00000\nroutes = 0xffffff\nlegacy0 = pic.in0, ioapic.in2\nlegacy1 = pic.in8, ioapic.in8\n"
  "route5 = ioapic.in5\nroute20 = ioapic.in20\nroute21 = ioapic.in21\n"
  "[device pit]\ntype = i8254\npio0 = io@0x40\npio1 = io@0x61\nout0 = hpet.pit\n"
  "[device rtc]\ntype = mc146818\npio0 = io@0x70\nirq = hpet.rtc\n"
  "[device com1]\ntype = uart-16550\npio0 = io@0x3f8\nirq = pic.in4, ioapic.in4\nbackend = line\n"
  "[device kbd]\ntype = i8042\npio0 = io@0x60\npio1 = io@0x64\nirq1 = pic.in1, ioapic.in1\nirq12 = pic.in12, ioapic.in12\na20 = cpu0.a20\n"
  "[device p92]\ntype = port92\npio0 = io@0x92\ngate = kbd\n"
  "[device power]\ntype = acpi-events\npio0 = io@0x680\nirq = ioapic.in23\n[device slots]\ntype = memory-slots\nram = ram\nfirmware = cfg\nslots = 2\nmaxmem = 4G\nmemory = memory@0\npio0 = io@0xa00\nevent = pm.gpi1\n"
  "[device functions]\ntype = pci-slots\nbus = host\npio0 = io@0xae00\nevent = pm.gpi1\n"
  "[device exit]\ntype = debug-exit\npio0 = io@0xf4\n[device e9]\ntype = debug-console\npio0 = io@0xe9\nbackend = text\n"
  "[device post]\ntype = post-port\npio0 = io@0x80 prio 1\nbackend = codes\nexit = on\nexit-code = 0xff\n[device cfg]\ntype = fw-cfg\npio0 = io@0x510\nram = ram\n"
  "[device dma]\ntype = i8237-pair\npio0 = io@0\npio1 = io@0xc0\npio2 = io@0x80\npio3 = io@0x480\n"
  "[device fdc]\ntype = fdc-82078\npio0 = io@0x3f0\npio1 = io@0x3f7\nirq = pic.in6, ioapic.in6\ndma = dma\ncmos = rtc\n"
  "drive0 = floppy\ndrive1-type = 1.2M\n[backend floppy]\ntype = test-block\nsize = 1474560\n"
  "[device ide]\ntype = piix3-ide\nbus = host\nenabled = on\npio0 = io@0x1f0\npio1 = io@0x3f6\npio2 = io@0x170\npio3 = io@0x376\n"
  "irq14 = pic.in14, ioapic.in14\nirq15 = pic.in15, ioapic.in15\n"
  "[device disk]\ntype = ide-disk\nbus = ide\ndrive = disk-bytes\n[device card]\ntype = ide-disk\nbus = ide\naddress = 0.1\nremovable = on\ndrive = card-bytes\n"
  "[device cd]\ntype = ide-cdrom\nbus = ide\naddress = 1.0\ndrive = disc\n"
  "[device ide2]\ntype = isa-ide\npio0 = io@0x1e8\npio1 = io@0x3ee\npio2 = io@0x168\npio3 = io@0x36e\n"
  "[device old]\ntype = ide-disk\nbus = ide2\ndrive = old-bytes\nread-only = on\n[device cd2]\ntype = ide-cdrom\nbus = ide2\naddress = 0.1\ndrive = disc2\n"
  "[backend disk-bytes]\ntype = test-block\nsize = 256K\n[backend card-bytes]\ntype = test-block\nsize = 64K\n[backend disc]\ntype = test-block\nsize = 256K\n"
  "[backend old-bytes]\ntype = test-block\nsize = 64K\n[backend disc2]\ntype = test-block\n"
  "[device board]\ntype = isa-board\nbios = %s\nram = ram\ncmos = rtc\ntop = memory@0xfa000000\n"
  "[device t]\ntype = pc-testdev\npio0 = io@0xe0\npio1 = io@0xe4\npio2 = io@0xec\npio3 = io@0x2000\nmmio0 = memory@0xfd000000\n"
  TEST_LINE ("0") TEST_LINE ("3") TEST_LINE ("5") TEST_LINE ("7") TEST_LINE ("14") TEST_LINE ("15")
  "irq16 = apic0.lint1, apic1.lint0\nirq17 = pit.gate0\nirq18 = apic0.lint0, apic1.lint1\nirq19 = ioapic.in19\nirq20 = piix.pirq0\nirq21 = piix.pirq3\nirq22 = ioapic.in22\nirq23 = ioapic.in23\n"
  "[cpu]\ntype = test-cpu\ncount = 2\nintc = apic${index}\n"
  "[backend line]\ntype = test-char\n[backend text]\ntype = test-char\n[backend codes]\ntype = test-char\n";

/* Where a function of PCI is, or that it is none. */
#define NO_PCI UINT32_MAX
#define PCI_PLACE(device) (0x80000000u | (uint32_t) (device) << 11)

typedef struct Subject {
  const char *type, *id;
  uint32_t pci;
} Subject;

static const Subject subjects[] = {
  { "i440fx", "host", PCI_PLACE (0) }, { "piix3", "piix", PCI_PLACE (1) }, { "piix4-pm", "pm", PCI_PLACE (1) | 3 << 8 }, { "pci-testdev", "test", PCI_PLACE (3) }, { "bios-rom", "rom", NO_PCI },
  { "i8259-pair", "pic", NO_PCI }, { "lapic", "apic0", NO_PCI }, { "ioapic", "ioapic", NO_PCI }, { "hpet", "hpet", NO_PCI },
  { "i8254", "pit", NO_PCI }, { "mc146818", "rtc", NO_PCI }, { "uart-16550", "com1", NO_PCI }, { "i8042", "kbd", NO_PCI },
  { "port92", "p92", NO_PCI }, { "acpi-events", "power", NO_PCI }, { "memory-slots", "slots", NO_PCI }, { "pci-slots", "functions", NO_PCI },
  { "debug-exit", "exit", NO_PCI }, { "debug-console", "e9", NO_PCI }, { "post-port", "post", NO_PCI },
  { "vga-pci", "vga", PCI_PLACE (2) }, { "vga-isa", "vga2", NO_PCI }, { "i8237-pair", "dma", NO_PCI }, { "fdc-82078", "fdc", NO_PCI },
  { "fw-cfg", "cfg", NO_PCI }, { "pc-testdev", "t", NO_PCI },
  { "piix3-ide", "ide", PCI_PLACE (1) | 0x100 }, { "isa-ide", "ide2", NO_PCI }, { "ide-disk", "disk", NO_PCI }, { "ide-cdrom", "cd", NO_PCI },
  { "isa-board", "board", NO_PCI }
};

/* --- chance ---------------------------------------------------------------------------------------------- */

static unsigned below (GRand *random, unsigned n) { return (unsigned) g_rand_int_range (random, 0, (int) n); }

static uint64_t
random_value (GRand *random)
{
  switch (below (random, 6)) {
  case 0: return 0;
  case 1: return UINT64_MAX;
  case 2: return UINT64_C (1) << below (random, 64);
  case 3: return below (random, 256);
  case 4: return below (random, 65536);
  default: return (uint64_t) g_rand_int (random) << 32 | g_rand_int (random);
  }
}

/* The low ones more often, and those that are a multiple of what registers are apart. */
static uint64_t
random_offset (GRand *random, uint64_t room, unsigned size)
{
  static const uint8_t steps[] = { 1, 1, 4, 8, 16, 16 };
  uint64_t wide = UINT64_C (16) << below (random, 14), most = MIN (room, wide), at = g_rand_int (random) % (most - size + 1);
  return at - at % steps[below (random, G_N_ELEMENTS (steps))];
}

/* --- accesses ---------------------------------------------------------------------------------------------- */

static void
strike (BpRegion *region, GRand *random)
{
  unsigned size = 1u << below (random, 4);
  uint64_t room = bp_region_size (region);
  if (room < size)
    size = 1;
  uint64_t offset = random_offset (random, room, size);
  if (g_rand_boolean (random))
    bp_region_dispatch_read (region, offset, size);
  else
    bp_region_dispatch_write (region, offset, random_value (random), size);
}

static void
strike_space (Harness *h, GRand *random, const char *space, uint64_t address)
{
  unsigned size = 1u << below (random, space[0] == 'i' ? 3 : 4);
  if (g_rand_boolean (random))
    harness_read (h, space, address, size);
  else
    harness_write (h, space, address, random_value (random), size);
}

/* A configuration cycle to a function that is there, mostly in its header. */
static void
strike_configuration (Harness *h, GRand *random, uint32_t pci)
{
  out32 (h, 0xcf8, pci | below (random, g_rand_boolean (random) ? 12 : 64) << 2);
  strike_space (h, random, "io", 0xcfc + below (random, 4));
}

/* Check keeps a note of each assertion that is passed, too many for what goes on here. */
static void
expect (bool fact, const char *what)
{
  if (!fact)
    ck_abort_msg ("%s", what);
}

static uint32_t
configuration (Harness *h, uint32_t pci, unsigned offset, const uint32_t *value)
{
  out32 (h, 0xcf8, pci | offset);
  if (value)
    out32 (h, 0xcfc, *value);
  return in32 (h, 0xcfc);
}

/* What the BARs show, wherever they are now; they are put somewhere at times. */
static void
strike_bars (Harness *h, GRand *random)
{
  static const uint32_t places[] = { 0xe0000000, 0x000c0000, 0x00001000, 0xfee00000, 0xfffff000 }, ports[] = { 0xc000, 0x100, 0xff00 };
  uint32_t pci = PCI_PLACE (3), memory = places[below (random, G_N_ELEMENTS (places))], io = ports[below (random, G_N_ELEMENTS (ports))], on = 3;
  if (below (random, 64) == 0) {
    configuration (h, pci, 0x10, &memory);
    configuration (h, pci, 0x14, &io);
    configuration (h, pci, 0x04, &on);
  }
  memory = configuration (h, pci, 0x10, NULL) & ~15u;
  io = configuration (h, pci, 0x14, NULL) & 0xfffc;
  strike_space (h, random, "memory", memory + random_offset (random, 0x1000, 1));
  strike_space (h, random, "io", (io + random_offset (random, 0x100, 1)) & 0xfff8);
}

/* ACPI's ports, which are put somewhere at times, and its button. */
static void
strike_power (Harness *h, GRand *random)
{
  static const uint32_t places[] = { 0x601, 0xb001, 0x41, 0xffc1, 1 }, smbus = 0x701, smbus_on = 0x00090000, io = 1;
  uint32_t pci = PCI_PLACE (1) | 3 << 8, place = places[below (random, G_N_ELEMENTS (places))], on = below (random, 8) != 0;
  void *pm = harness_object (h, "pm");
  if (below (random, 64) == 0) {
    configuration (h, pci, 0x40, &place);
    configuration (h, pci, 0x80, &on);
    configuration (h, pci, 0x90, &smbus);
    configuration (h, pci, 0xd0, &smbus_on);
    configuration (h, pci, 0x04, &io);
  }
  strike_space (h, random, "io", 0x700 + random_offset (random, 16, 1));
  strike_space (h, random, "io", (configuration (h, pci, 0x40, NULL) & 0xffc0) + random_offset (random, 0x40, 1));
  if (below (random, 64) == 0) {
    const BpPowerButtonIface *t = bp_object_interface (pm, BP_POWER_BUTTON_ID);
    bp_machine_lock (harness_machine (h));
    t->press (pm);
    bp_machine_unlock (harness_machine (h));
  }
}

/* The processor's side of a local APIC: its MSRs, CR8, and what it takes from it. */
static void
strike_processor (Harness *h, GRand *random, const char *id)
{
  static const uint64_t bases[] = { 0xfee00800, 0xfee00900, 0xfee00c00, 0xfee00000, 0xfe000800, 0x000c0800 };
  enum { END_OF_INTERRUPT = 0xb0, SPURIOUS = 0xf0 };
  void *apic = harness_object (h, id);
  BpRegion *registers = object_region (object_of (apic), "mmio0")->region;
  const BpInterruptControllerIface *t = bp_object_interface (apic, BP_INTERRUPT_CONTROLLER_ID);
  uint64_t value = random_value (random);
  uint32_t msr = 0x800 + below (random, 0x50);
  switch (below (random, 12)) {
  case 0:
    if (below (random, 16) == 0)
      t->apic_base_write (apic, below (random, 8) ? bases[below (random, G_N_ELEMENTS (bases))] : value);
    t->apic_base_read (apic);
    break;
  case 1:
    t->priority_write (apic, (uint8_t) below (random, 16));
    expect (t->priority_read (apic) < 16, "CR8 reads as more than 15");
    break;
  case 2:
    t->msr_read (apic, msr, &value);
    break;
  case 3:
    t->msr_write (apic, msr, value);
    break;
  case 4:
    t->deadline_write (apic, value, below (random, 4) ? harness_now (h) + below (random, 1000000) : INT64_MAX);
    t->deadline_read (apic);
    break;
  case 5:
    bp_region_dispatch_write (registers, SPURIOUS, 0x1ff, 4);
    break;
  case 6: case 7:
    bp_region_dispatch_write (registers, END_OF_INTERRUPT, 0, 4);
    break;
  default:
    expect (t->acknowledge (apic) < 256, "a vector has eight bits");
  }
}

/* Who looks at a screen: what it showed before may be anything. */
static void
look_at_screen (Harness *h, GRand *random, const char *id)
{
  static BpScreenFrame frame;
  BpScreenText text = { .struct_size = sizeof text };
  void *vga = harness_object (h, id);
  const BpScreenIface *t = bp_object_interface (vga, BP_SCREEN_ID);
  bp_machine_lock (harness_machine (h));
  if (below (random, 4) == 0)
    bp_screen_frame_clear (&frame);
  frame.struct_size = sizeof frame;
  t->update (vga, &frame);
  expect (frame.first_row <= frame.end_row && frame.end_row <= frame.height, "there are no such rows");
  t->text (vga, &text);
  bp_machine_unlock (harness_machine (h));
}

/* Modes are made of many registers: chance alone would rarely show anything. */
static void
strike_screen (Harness *h, GRand *random, const char *id)
{
  uint16_t base = g_str_equal (id, "vga") ? 0 : 0x4000;
  switch (below (random, 64)) {
  case 0:
    look_at_screen (h, random, id);
    break;
  case 1:                       /* it is on, there is a signal, and the palette is the screen's */
    out8 (h, base + 0x3c3, 1);
    out8 (h, base + 0x3c2, 0x63);
    out16 (h, base + 0x3d4, 0x8017 | (uint16_t) (below (random, 128) << 8));
    in8 (h, base + 0x3da);
    out8 (h, base + 0x3c0, 0x20);
    break;
  case 2:
    out16 (h, base + 0x1ce, (uint16_t) below (random, 12));
    out16 (h, base + 0x1cf, (uint16_t) random_value (random));
    break;
  default:
    break;
  }
}

/* Floppy commands have many bytes, and disks that answer: drivers of all kinds, people who change disks, a host that fails. */
static void
strike_floppy (Harness *h, GRand *random)
{
  static const uint8_t codes[] = { 0xe6, 0x46, 0xc5, 0x45, 0x49, 0x6c, 0x42, 0x4a, 0x4d, 0xd6, 0x51, 0xd9, 0x5d, 0x03, 0x04, 0x07, 0x08, 0x0f, 0xcf, 0x13, 0x94, 0x2e, 0x8e };
  static const uint64_t sizes[] = { 0, 5120, 737280, 1474560, 1720320 };
  static const int errors[] = { 0, 0, EIO, ENOSPC, ENOMEDIUM, EROFS };
  switch (below (random, 64)) {
  case 0:
    harness_block_change (h, "floppy", sizes[below (random, G_N_ELEMENTS (sizes))], below (random, 4) == 0, true);
    break;
  case 1:
    harness_block_fail (h, "floppy", 0, UINT64_MAX, errors[below (random, G_N_ELEMENTS (errors))]);
    break;
  case 2:
    out8 (h, 0x3f2, below (random, 4) ? 0x1c : (uint8_t) below (random, 256));
    break;
  case 3:
    out8 (h, 0x0b, (uint8_t) below (random, 256));
    out8 (h, 0x0f, 0);
    break;
  case 4: case 5: case 6: case 7:
    out8 (h, 0x3f5, codes[below (random, G_N_ELEMENTS (codes))]);
    break;
  case 8: case 9:
    harness_block_answer (h, "floppy");
    break;
  case 10:
    harness_advance (h, 100000);
    break;
  case 11: case 12: case 13:
    in8 (h, 0x3f5);
    break;
  default:
    out8 (h, 0x3f5, (uint8_t) below (random, below (random, 2) ? 4 : 32));
  }
}

/* A command that does something, with registers that make sense now and then, and the bus master at work; then some of its data. */
static void
strike_drive (Harness *h, GRand *random, bool packet)
{
  static const uint8_t commands[] = { 0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xe7, 0xec, 0xef, 0x06, 0x08, 0x90, 0x91, 0xb0,
                                      0xa0, 0xa0, 0xa1, 0xe5, 0xf8, 0xde, 0xda };
  static const uint8_t packets[] = { 0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x28, 0x2b, 0x42, 0x43, 0x46, 0x4a, 0x51, 0x52, 0x55, 0x5a, 0xa8, 0xad, 0xb9, 0xbb, 0xbd,
                                     0xbe, 0xbe };
  uint16_t base = packet ? 0x170 : 0x1f0, master = packet ? 0xc008 : 0xc000;
  uint32_t pci = PCI_PLACE (1) | 0x100, bar = 0xc001, on = 5;
  if (below (random, 4) == 0)
    base = 0x1e8;
  if (below (random, 64) == 0) {
    configuration (h, pci, 0x20, &bar);
    configuration (h, pci, 0x04, &on);
    out16 (h, 0xcfc, 0x0005);
  }
  if (below (random, 4) == 0) {
    for (unsigned i = 0; i < 4; i++) {
      write32 (h, 0x1000 + 8 * i, (uint32_t) random_value (random));
      write32 (h, 0x1004 + 8 * i, below (random, 4) ? below (random, 65536) : (uint32_t) random_value (random));
    }
    out8 (h, master, 0);
    out32 (h, (uint16_t) (master + 4), 0x1000);
  }
  out8 (h, (uint16_t) (base + 6), (uint8_t) ((packet ? 0 : 0xe0) | (below (random, 8) == 0 ? 0x10 : 0) | (base == 0x1e8 && packet ? 0x10 : 0)));
  out8 (h, (uint16_t) (base + 1), (uint8_t) below (random, 4));
  for (unsigned i = 2; i < 6; i++)
    out8 (h, (uint16_t) (base + i), (uint8_t) (below (random, 4) ? below (random, 3) : random_value (random)));
  out8 (h, (uint16_t) (base + 7), packet && below (random, 2) ? 0xa0 : commands[below (random, sizeof commands)]);
  if (packet)
    for (unsigned i = 0; i < 12; i += 2)
      out16 (h, base, (uint16_t) (i ? below (random, 4) ? below (random, 3) << 8 * below (random, 2) : random_value (random)
                                    : packets[below (random, sizeof packets)] | below (random, 256) << 8));
  if (below (random, 2))
    out8 (h, master, (uint8_t) (1 | below (random, 2) << 3));
  if (below (random, 2))
    harness_advance (h, below (random, 300000));
  for (unsigned i = below (random, 2) ? 0 : below (random, 600); i > 0; i--)
    if (g_rand_boolean (random))
      harness_read (h, "io", base, 1u << below (random, 3));
    else
      harness_write (h, "io", base, random_value (random), 1u << below (random, 3));
  if (below (random, 256) == 0)
    harness_block_change (h, packet ? "disc" : "card-bytes", below (random, 2) ? 0 : 2048u * below (random, 200), false, below (random, 2));
  if (below (random, 256) == 0)
    harness_block_fail (h, packet ? "disc" : "disk-bytes", below (random, 512), below (random, 4), below (random, 2) ? 5 : 28);
}

/* What comes from outside. */
static void
type_something (Harness *h, GRand *random)
{
  BpMachine *m = harness_machine (h);
  harness_type (h, "line", "abcdefgh", 1 + below (random, 8));
  if (below (random, 8) == 0)
    harness_break (h, "line");
  bp_input_send_key (m, below (random, 300), g_rand_boolean (random));
  bp_input_send_relative (m, (int) random_value (random), (int) random_value (random), (int) random_value (random), g_rand_int (random));
  if (below (random, 64) == 0)
    bp_input_release_all (m);
}

/* A mouse and a keyboard answer commands, which chance rarely makes whole. */
static void
strike_ps2 (Harness *h, GRand *random)
{
  bool parameter = g_rand_boolean (random);
  if (g_rand_boolean (random))
    out8 (h, 0x64, 0xd4);
  out8 (h, 0x60, parameter ? (uint8_t) below (random, 256) : (uint8_t) (0xe6 + below (random, 26)));
  if (below (random, 4) == 0)
    in8 (h, 0x60);
  type_something (h, random);
}

/* What a guest reaches by number alone. */
static void
strike_numbers (Harness *h, GRand *random)
{
  static const uint32_t places[] = { 0xa0000, 0xb8000, 0xfc000000, 0xfc100000, 0xc0000, 0xf0000, 0xfd000000, 0xfec00000, 0xfed00000, 0xfee00000, 0xff000000, 0xfffff000, 0xe0000000 };
  strike_space (h, random, "io", below (random, 0xfff8));
  strike_space (h, random, "memory", places[below (random, G_N_ELEMENTS (places))] + random_offset (random, 0x1000, 8));
}

/* Interrupt lines under the guest's hand. */
static void
strike_lines (Harness *h, GRand *random)
{
  out8 (h, (uint16_t) (0x2000 + below (random, 24)), g_rand_boolean (random));
}

/* --- a round ------------------------------------------------------------------------------------------------ */

/* The regions that are registers: those that a type's table names. */
static GPtrArray *
registers_of (BpObject *o)
{
  GPtrArray *all = g_ptr_array_new ();
  g_autoptr (GArray) rows = type_regions (o->type);
  for (unsigned i = 0; i < rows->len; i++)
    g_ptr_array_add (all, object_region (o, g_array_index (rows, BpRegionDesc, i).name)->region);
  if (rows->len == 0)           /* or those that it made */
    for (unsigned i = 0; i < o->regions->len; i++)
      if (g_array_index (o->regions, ObjectRegion, i).region->kind != REGION_CONTAINER)
        g_ptr_array_add (all, g_array_index (o->regions, ObjectRegion, i).region);
  return all;
}

static void
strike_subject (Harness *h, GRand *random, const Subject *s, const GPtrArray *registers)
{
  if (registers->len > 0)
    strike (registers->pdata[below (random, registers->len)], random);
  if (s->pci != NO_PCI && (registers->len == 0 || below (random, 4) == 0))
    strike_configuration (h, random, s->pci);
  if (g_str_has_prefix (s->type, "vga-"))
    strike_screen (h, random, s->id);
  if (g_str_equal (s->type, "i8042"))
    strike_ps2 (h, random);
  if (g_str_equal (s->type, "fdc-82078") || g_str_equal (s->type, "i8237-pair"))
    strike_floppy (h, random);
  if (g_str_equal (s->type, "ide-disk") || g_str_equal (s->type, "ide-cdrom") || (g_str_has_suffix (s->type, "-ide") && below (random, 8) == 0))
    strike_drive (h, random, g_str_equal (s->type, "ide-cdrom") || below (random, 4) == 0);
  if (g_str_equal (s->type, "pci-testdev"))
    strike_bars (h, random);
  if (g_str_equal (s->type, "piix4-pm"))
    strike_power (h, random);
  if (g_str_equal (s->type, "lapic"))
    strike_processor (h, random, below (random, 4) ? s->id : "apic1");
}

static void
strike_others (Harness *h, GRand *random)
{
  const Subject *s = &subjects[below (random, G_N_ELEMENTS (subjects))];
  GPtrArray *registers = registers_of (object_of (harness_object (h, s->id)));
  strike_subject (h, random, s, registers);
  strike_numbers (h, random);
  type_something (h, random);
  g_ptr_array_unref (registers);
}

static void
pass_time (Harness *h, GRand *random)
{
  harness_advance (h, below (random, below (random, 512) ? 100000 : 1500000000));
}

static void
step (Harness *h, GRand *random, const Subject *s, const GPtrArray *registers, unsigned n)
{
  strike_subject (h, random, s, registers);
  if (n % 8 == 0)
    strike_lines (h, random);
  if (n % 16 == 0)
    pass_time (h, random);
  if (n % 32 == 0)
    strike_processor (h, random, g_rand_boolean (random) ? "apic0" : "apic1");
  if (n % 64 == 0)
    strike_others (h, random);
  if (n % 1024 == 0)
    harness_round_trip (h);
  if (below (random, 8192) == 0)
    harness_reset (h, BP_RESET_WARM);
  harness_take_reset (h);
}

/* A machine loaded from another one's snapshot goes on exactly as that one does. */
static void
go_on_in_twin (Harness *h, GRand *random, const Subject *s, Harness *(*new) (void))
{
  Harness *twin = new ();
  GRand *same = g_rand_copy (random);
  GPtrArray *registers = registers_of (object_of (harness_object (h, s->id)));
  GPtrArray *others = registers_of (object_of (harness_object (twin, s->id)));
  harness_block_copy (h, twin);
  harness_copy (h, twin);
  for (unsigned n = 1; n <= 512; n++) {
    step (h, random, s, registers, n);
    step (twin, same, s, others, n);
  }
  harness_check_same (h, twin);
  g_ptr_array_unref (registers);
  g_ptr_array_unref (others);
  g_rand_free (same);
  harness_free (twin);
}

/* A snapshot's file may hold anything: a state that is no state of any device is refused, or the device lives with it. */
static void
load_nonsense (Harness *h, GRand *random, const Subject *s, const GPtrArray *registers)
{
  BpObject *o = object_of (harness_object (h, s->id));
  g_autoptr (GByteArray) state = state_saved (o);
  for (unsigned i = below (random, 8) + 1; i > 0; i--) {
    guint at = below (random, state->len);
    state->data[at] = (uint8_t) (below (random, 2) ? random_value (random) : state->data[at] ^ 1u << below (random, 8));
  }
  bp_machine_lock (harness_machine (h));
  bool taken = state_load (o, state->data, state->len, NULL);
  bp_machine_unlock (harness_machine (h));
  if (!taken)                   /* who loads a whole machine goes back to the state before */
    harness_reset (h, BP_RESET_COLD);
  for (unsigned n = 1; n <= 64; n++)
    step (h, random, s, registers, n);
}

static void
rom_is_whole (Harness *h)
{
  const BpRegion *rom = object_region (object_of (harness_object (h, "rom")), "rom")->region;
  uint8_t wrong = 0;
  for (uint64_t i = 0; i < bp_region_size (rom); i++)
    wrong |= rom->host[i] ^ ROM_BYTE;
  ck_assert_uint_eq (wrong, 0);
}

/* The ROM is a file: named anew for each machine, gone when it was read. */
static Harness *
machine (void)
{
  GError *error = NULL;
  char *path = NULL, *sections;
  g_autofree char *image = g_malloc (0x10000);
  memset (image, ROM_BYTE, 0x10000);
  int fd = g_file_open_tmp ("hammer-XXXXXX.rom", &path, &error);
  if (fd < 0 || !g_file_set_contents (path, image, 0x10000, &error))
    ck_abort_msg ("%s", error->message);
  close (fd);
  sections = g_strdup_printf (everything, path, path);
  Harness *h = harness_new (hw_pc (), sections);
  unlink (path);
  g_free (path);
  g_free (sections);
  return h;
}

static void
round_of (const Subject *s, uint32_t seed)
{
  Harness *h = machine ();
  GRand *random = g_rand_new_with_seed (seed);
  GPtrArray *registers = registers_of (object_of (harness_object (h, s->id)));
  for (unsigned n = 1; n <= ROUND; n++) {
    step (h, random, s, registers, n);
    if (n % 5000 == 0)
      go_on_in_twin (h, random, s, machine);
  }
  harness_round_trip (h);
  rom_is_whole (h);
  g_ptr_array_unref (registers);
  g_rand_free (random);
  harness_free (h);
}

static void
nonsense_round (const Subject *s, uint32_t seed)
{
  Harness *h = machine ();
  GRand *random = g_rand_new_with_seed (seed);
  GPtrArray *registers = registers_of (object_of (harness_object (h, s->id)));
  for (unsigned i = 0; i < 300; i++)
    load_nonsense (h, random, s, registers);
  g_ptr_array_unref (registers);
  g_rand_free (random);
  harness_free (h);
}

/* --- the tests ------------------------------------------------------------------------------------------------ */

/* Shared with the process that a test runs in, so that what it died of is known. */
static struct Progress {
  uint32_t first, seed;         /* of the first round, of this one */
  int64_t start;
} *progress;

static uint32_t
number (const char *variable, uint32_t otherwise)
{
  const char *text = g_getenv (variable);
  return text ? (uint32_t) strtoul (text, NULL, 0) : otherwise;
}

static unsigned seconds (void) { return number ("BACKPLANE_HAMMER_SECONDS", 1); }

START_TEST (nothing_breaks)
{
  int64_t end = g_get_monotonic_time () + (int64_t) seconds () * G_USEC_PER_SEC;
  do {
    round_of (&subjects[_i], progress->seed);
    progress->seed++;
  } while (g_get_monotonic_time () < end);
}
END_TEST

/* In a quarter of the time; one round at least. */
START_TEST (nonsense_is_survived)
{
  int64_t end = g_get_monotonic_time () + (int64_t) seconds () * G_USEC_PER_SEC / 4;
  progress->seed = progress->first;
  do {
    nonsense_round (&subjects[_i], progress->seed);
    progress->seed++;
  } while (g_get_monotonic_time () < end);
}
END_TEST

START_TEST (every_type_is_struck)
{
  for (const BpTypeDesc *const *t = hw_pc (); *t; t++) {
    bool found = g_str_has_prefix ((*t)->name, "boot-") || g_str_has_suffix ((*t)->name, "-tables") || g_str_equal ((*t)->name, "dimm");    /* a guest does not see them */
    for (unsigned i = 0; i < G_N_ELEMENTS (subjects); i++)
      found |= g_str_equal (subjects[i].type, (*t)->name);
    ck_assert_msg (found, "%s is missing among the subjects of this test", (*t)->name);
  }
  Harness *h = machine ();
  for (unsigned i = 0; i < G_N_ELEMENTS (subjects); i++) {
    BpObject *o = object_of (harness_object (h, subjects[i].id));
    GPtrArray *registers = registers_of (o);
    ck_assert_str_eq (o->type->name, subjects[i].type);
    ck_assert (registers->len > 0 || subjects[i].pci != NO_PCI || g_str_has_prefix (subjects[i].type, "ide-"));
    g_ptr_array_unref (registers);
  }
  harness_free (h);
}
END_TEST

/* --- the program: a suite a type, so that each has its time ------------------------------------------------------ */

static int
run (const char *name, const TTest *test, int index)
{
  Suite *suite = suite_create (name);
  TCase *all = tcase_create (name);
  tcase_add_loop_test (all, test, index, index + 1);
  tcase_set_timeout (all, 2 * seconds () + 120);
  suite_add_tcase (suite, all);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_SILENT);
  int failed = srunner_ntests_failed (runner);
  if (failed)
    srunner_print (runner, CK_NORMAL);
  srunner_free (runner);
  return failed;
}

static void
report (const Subject *s, bool failed)
{
  double time = (double) (g_get_monotonic_time () - progress->start) / G_USEC_PER_SEC;
  if (failed)
    printf ("hammer: %s FAILED; again with BACKPLANE_HAMMER_TYPE=%s BACKPLANE_HAMMER_SECONDS=0 BACKPLANE_HAMMER_SEED=%u\n", s->type, s->type,
            progress->seed);
  else
    printf ("hammer: %s: %.1f s, %u rounds of %u accesses, seeds from %u\n", s->type, time, progress->seed - progress->first, ROUND, progress->first);
  fflush (stdout);
}

int
main (void)
{
  const char *only = g_getenv ("BACKPLANE_HAMMER_TYPE");
  progress = mmap (NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert (progress != MAP_FAILED);
  int failures = run ("every type", every_type_is_struck, 0), n = 0;
  if (failures)
    return 1;
  for (unsigned i = 0; i < G_N_ELEMENTS (subjects); i++) {
    if (only && !g_str_equal (only, subjects[i].type))
      continue;
    uint32_t first = number ("BACKPLANE_HAMMER_SEED", 1);
    *progress = (struct Progress) { first, first, g_get_monotonic_time () };
    int failed = run (subjects[i].type, nothing_breaks, (int) i);
    report (&subjects[i], failed);
    failures += failed;
    failed = run (subjects[i].type, nonsense_is_survived, (int) i);
    if (failed)
      report (&subjects[i], true);
    failures += failed;
    n++;
  }
  if (!n)
    fprintf (stderr, "hammer: BACKPLANE_HAMMER_TYPE=%s is no type of this test\n", only);
  return failures || !n;
}
