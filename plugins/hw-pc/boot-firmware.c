/* boot-firmware.c -- what a PC's firmware leaves behind, and what it does at a reset that is none: for machines without it. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>
#include "boot.h"

enum { EBDA_SEGMENT = BOOT_EBDA >> 4, EBDA_CODE = 0x3f0 };

/* --- what it leaves ----------------------------------------------------------------------- */

/* As SeaBIOS leaves them, seen by a Multiboot kernel: vectors 0x08 and 0x70; timer, keyboard, cascade and floppy open at the master, clock, mouse,
 * coprocessor and first disk at the slave; the timer at 18.2 Hz. */
static void
set_chips (BpAddressSpace *io)
{
  static const struct { uint16_t port; uint8_t value; } writes[] = {
    { 0x20, 0x11 }, { 0x21, 0x08 }, { 0x21, 0x04 }, { 0x21, 0x01 }, { 0x21, 0xb8 },
    { 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0xa1, 0x02 }, { 0xa1, 0x01 }, { 0xa1, 0x8e },
    { 0x43, 0x34 }, { 0x40, 0x00 }, { 0x40, 0x00 }
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (writes); i++)
    bp_as_store (io, writes[i].port, writes[i].value, 1);
}

/* The handlers do nothing but end the interrupt: push ax; mov al, 20; out a0, al (slave); out 20, al; pop ax; iret.  They lie in the last
 * bytes of the extended BIOS data area, which memory maps call reserved. */
static void
set_vectors (BpAddressSpace *memory)
{
  enum { SLAVE = EBDA_CODE, MASTER = EBDA_CODE + 9, RETURN = EBDA_CODE + 15 };
  static const uint8_t code[16] = { 0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf, 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf };
  uint8_t table[256 * 4];
  for (unsigned n = 0; n < 256; n++) {
    unsigned offset = n >= 0x08 && n <= 0x0f ? MASTER : n >= 0x70 && n <= 0x77 ? SLAVE : RETURN;
    uint32_t vector = GUINT32_TO_LE ((uint32_t) EBDA_SEGMENT << 16 | offset);
    memcpy (table + 4 * n, &vector, 4);
  }
  bp_as_write (memory, BOOT_EBDA + EBDA_CODE, code, sizeof code);
  bp_as_write (memory, 0, table, sizeof table);
}

/* Who finds no other way reboots through the firmware's entry at ffff:0 or f000:fff0.  There is no firmware; this code shuts the processor
 * down (triple fault), which resets the machine: mov ax, f000; mov ds, ax; lidt [ffe0] (six zero bytes); int3.  A chipset that keeps RAM away
 * from there has a reset port. */
void
boot_write_reset_vector (BpAddressSpace *memory)
{
  static const uint8_t code[] = { 0xb8, 0x00, 0xf0, 0x8e, 0xd8, 0x0f, 0x01, 0x1e, 0xe0, 0xff, 0xcc };
  static const uint8_t no_idt[6] = { 0 };
  bp_as_write (memory, 0xfffe0, no_idt, sizeof no_idt);
  bp_as_write (memory, 0xffff0, code, sizeof code);
}

void
boot_leave_firmware_state (BpMachine *machine)
{
  BpAddressSpace *memory = bp_machine_address_space (machine, "memory");
  set_chips (bp_machine_address_space (machine, "io"));
  set_vectors (memory);
  boot_write_reset_vector (memory);
}

/* --- the shutdown status: a reset that only leaves protected mode ------------------------- */

enum { CMOS_INDEX = 0x70, CMOS_DATA = 0x71, SHUTDOWN_STATUS = 0x0f };
enum { JUMP_AFTER_EOI = 0x05, JUMP = 0x0a };    /* through the far pointer in the BIOS data area */
enum { BDA_SEGMENT = 0x40, BDA_JUMP = 0x67 };

/* Which of the two the status asks for, or 0.  It counts for one reset. */
static uint8_t
take_status (BpAddressSpace *io)
{
  bp_as_store (io, CMOS_INDEX, SHUTDOWN_STATUS, 1);
  uint8_t status = (uint8_t) bp_as_load (io, CMOS_DATA, 1);
  if (status != JUMP_AFTER_EOI && status != JUMP)
    return 0;
  bp_as_store (io, CMOS_DATA, 0, 1);
  return status;
}

static void
end_interrupts (BpAddressSpace *io)
{
  bp_as_store (io, 0xa0, 0x20, 1);
  bp_as_store (io, 0x20, 0x20, 1);
}

static BpX86Segment
paragraph (uint16_t selector, uint16_t type)
{
  return (BpX86Segment) { .selector = selector, .attributes = type, .limit = 0xffff, .base = (uint64_t) selector << 4 };
}

/* Registers as SeaBIOS has them at its jump: DS is the data area, SS:SP a small stack of the firmware's. */
static void
enter_real_mode (BootCommon *boot, uint16_t segment, uint16_t offset)
{
  const BpX86CpuIface *cpu = boot->cpu.table;
  BpX86State s;
  memset (&s, 0, sizeof s);
  s.struct_size = sizeof s;
  cpu->get_state (boot->cpu.instance, &s);
  memset (s.gpr, 0, sizeof s.gpr);
  s.gpr[BP_X86_RSP] = EBDA_CODE;
  s.rip = offset;
  s.rflags = 2;
  s.cr0 = 0x10;
  s.idtr.base = 0;
  s.idtr.limit = 0x3ff;
  for (unsigned i = BP_X86_ES; i <= BP_X86_GS; i++)
    s.segment[i] = paragraph (0, 0x93);
  s.segment[BP_X86_CS] = paragraph (segment, 0x9b);
  s.segment[BP_X86_SS] = paragraph (EBDA_SEGMENT, 0x93);
  s.segment[BP_X86_DS] = paragraph (BDA_SEGMENT, 0x93);
  s.halted = 0;
  cpu->set_state (boot->cpu.instance, &s);
}

/* In a PC such a reset reaches the processor alone.  Here it was the machine's: interrupt controllers and timer get back what firmware sets. */
bool
boot_resume (BootCommon *boot, BpMachine *machine)
{
  BpAddressSpace *io = bp_machine_address_space (machine, "io"), *memory = bp_machine_address_space (machine, "memory");
  uint8_t status = take_status (io);
  uint16_t target[2];
  if (!status || !bp_as_read (memory, (BDA_SEGMENT << 4) + BDA_JUMP, target, sizeof target))
    return false;
  uint16_t offset = GUINT16_FROM_LE (target[0]), segment = GUINT16_FROM_LE (target[1]);
  set_chips (io);
  if (status == JUMP_AFTER_EOI)
    end_interrupts (io);
  enter_real_mode (boot, segment, offset);
  bp_log (BP_LOG_CPU_RESET, "shutdown status %02x: goes on at %04x:%04x", status, segment, offset);
  return true;
}
