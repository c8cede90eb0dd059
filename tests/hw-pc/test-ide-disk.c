/* test-ide-disk.c -- IDE channels and disks: registers, resets, addresses, PIO, DMA, errors and what becomes of them, saved state. */
/* SPDX-License-Identifier: MIT */
#include "ide-test.h"
#include <backplane/machine.h>
#include <errno.h>
#include <string.h>
#include "build.h"

#define SECTORS 4096u
#define ONE "[device disk]\ntype = ide-disk\nbus = ide\ndrive = bytes\n[backend bytes]\ntype = test-block\nsize = 2M\n"
#define TWO ONE "[device other]\ntype = ide-disk\nbus = ide\naddress = 0.1\ndrive = others\n[backend others]\ntype = test-block\nsize = 1M\nread-only = on\n"

static Harness *
disk (const char *drives)
{
  Harness *h = ide_new (drives);
  ide_fill (harness_block_bytes (h, "bytes"), SECTORS * 512, 1);
  return h;
}

static void
identify (Harness *h, uint16_t words[256])
{
  ide_command (h, 0x1f0, 0xec, 0xa0, 0, 0);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | DRQ);
  ide_read_data (h, 0x1f0, words, 512);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
}

/* --- registers ------------------------------------------------------------------------------ */

START_TEST (signature_and_absence)
{
  Harness *h = disk (ONE);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  ck_assert_uint_eq (in8 (h, 0x1f1), 1);
  ck_assert_uint_eq (in8 (h, 0x1f2) | in8 (h, 0x1f3) << 8 | in8 (h, 0x1f4) << 16 | in8 (h, 0x1f5) << 24, 0x101);
  out8 (h, 0x1f6, 0x10);        /* the slave, which is not there */
  ck_assert_uint_eq (in8 (h, 0x1f7) | in8 (h, 0x3f6), 0);
  out8 (h, 0x1f7, 0xec);
  ck_assert_uint_eq (in8 (h, 0x1f7), 0);
  ck_assert_uint_eq (in8 (h, 0x177) | in8 (h, 0x376) | in8 (h, 0x172), 0);      /* a channel without drives */
  out8 (h, 0x1f6, 0);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  harness_free (h);
}
END_TEST

START_TEST (two_bytes_deep)
{
  Harness *h = disk (ONE);
  for (unsigned i = 2; i < 6; i++) {
    out8 (h, (uint16_t) (0x1f0 + i), (uint8_t) (0x10 + i));
    out8 (h, (uint16_t) (0x1f0 + i), (uint8_t) (0x20 + i));
  }
  for (unsigned i = 2; i < 6; i++)
    ck_assert_uint_eq (in8 (h, (uint16_t) (0x1f0 + i)), 0x20 + i);
  out8 (h, 0x3f6, 0x80);
  for (unsigned i = 2; i < 6; i++)
    ck_assert_uint_eq (in8 (h, (uint16_t) (0x1f0 + i)), 0x10 + i);
  out8 (h, 0x1f2, 7);           /* a write takes HOB back */
  ck_assert_uint_eq (in8 (h, 0x1f2), 7);
  harness_free (h);
}
END_TEST

START_TEST (identification)
{
  Harness *h = ide_new ("[device disk]\ntype = ide-disk\nbus = ide\ndrive = bytes\nserial = S123\nmodel = A DISK\nwwn = 0x5000c500a1b2c3d4\n"
               "[backend bytes]\ntype = test-block\nsize = 2M\n");
  uint16_t w[256];
  uint8_t sum = 0;
  identify (h, w);
  ck_assert_uint_eq (w[0], 0x0040);
  ck_assert (memcmp (w + 10, "1S32                ", 20) == 0);
  ck_assert (memcmp (w + 27, " AIDKS", 6) == 0);
  ck_assert_uint_eq (w[60] | w[61] << 16, SECTORS);
  ck_assert_uint_eq (w[100], SECTORS);
  ck_assert_uint_eq (w[1] * w[3] * w[6], 4 * 16 * 63);
  ck_assert_uint_eq (w[49] & 0x300, 0x300);
  ck_assert_uint_eq (w[83] & 0x7400, 0x7400);
  ck_assert_uint_eq (w[108], 0x5000);
  ck_assert_uint_eq (w[111], 0xc3d4);
  for (unsigned i = 0; i < 512; i++)
    sum = (uint8_t) (sum + ((uint8_t *) w)[i]);
  ck_assert_uint_eq (sum, 0);
  ck_assert_int_eq (harness_level (h, "ide.irq14"), 0);
  harness_free (h);
}
END_TEST

START_TEST (resets)
{
  Harness *h = disk (TWO);
  unsigned rises = harness_rises (h, "probe", 14);
  ide_command (h, 0x1f0, 0x20, 0xe0, 5, 1);
  out8 (h, 0x3f6, 4);           /* in the middle of a read */
  ck_assert_uint_eq (in8 (h, 0x3f6), BSY);
  out8 (h, 0x1f7, 0xec);
  out8 (h, 0x3f6, 0);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  ck_assert_uint_eq (in8 (h, 0x1f2) | in8 (h, 0x1f3) << 8 | in8 (h, 0x1f4) << 16, 0x101);
  harness_advance (h, 1000000000);
  ck_assert_uint_eq (harness_rises (h, "probe", 14), rises);
  out8 (h, 0x1f6, 0xb0);
  out8 (h, 0x1f7, 0x90);        /* both, whoever is selected; the master tells */
  ck_assert_uint_eq (harness_rises (h, "probe", 14), rises + 1);
  ck_assert_uint_eq (in8 (h, 0x1f6) & 0x10, 0);
  ck_assert_uint_eq (in8 (h, 0x1f1), 1);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  harness_free (h);
}
END_TEST

START_TEST (interrupts)
{
  Harness *h = disk (TWO);
  ide_command (h, 0x1f0, 0xec, 0xa0, 0, 0);
  ck_assert_int_eq (harness_level (h, "ide.irq14"), 1);
  out8 (h, 0x1f6, 0xb0);        /* who is not selected keeps its line low */
  ck_assert_int_eq (harness_level (h, "ide.irq14"), 0);
  out8 (h, 0x1f6, 0xa0);
  out8 (h, 0x3f6, 2);
  ck_assert_int_eq (harness_level (h, "ide.irq14"), 0);
  out8 (h, 0x3f6, 0);
  in8 (h, 0x3f6);
  ck_assert_int_eq (harness_level (h, "ide.irq14"), 1);
  in8 (h, 0x1f7);
  ck_assert_int_eq (harness_level (h, "ide.irq14"), 0);
  harness_free (h);
}
END_TEST

/* --- PIO -------------------------------------------------------------------------------------- */

static void
read_and_compare (Harness *h, uint8_t command, uint8_t device, uint64_t address, uint64_t sector, unsigned n, unsigned block)
{
  uint8_t bytes[512 * 16];
  const uint8_t *there = harness_block_bytes (h, "bytes");
  ide_command (h, 0x1f0, command, device, address, n & 0xffff);
  for (unsigned i = 0; i < n; i += block) {
    unsigned size = MIN (block, n - i) * 512;
    ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | DRQ);
    ide_read_data (h, 0x1f0, bytes, size);
    ck_assert (memcmp (bytes, there + (sector + i) * 512, size) == 0);
  }
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
}

START_TEST (pio_reads)
{
  Harness *h = disk (ONE);
  read_and_compare (h, 0x20, 0xe0, 0, 0, 1, 1);
  read_and_compare (h, 0x20, 0xe0, 100, 100, 7, 1);
  read_and_compare (h, 0x20, 0xe0, 0, 0, 256, 1);
  read_and_compare (h, 0x24, 0x40, 3000, 3000, 300, 1);
  read_and_compare (h, 0x20, 0xa0, 0x000103, 1 * 16 * 63 + 2, 2, 1);
  out8 (h, 0x1f2, 8);
  out8 (h, 0x1f7, 0xc6);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  read_and_compare (h, 0xc4, 0xe0, 11, 11, 30, 8);
  read_and_compare (h, 0x29, 0x40, 1000, 1000, 512, 8);
  ide_command (h, 0x1f0, 0x91, 0xa3, 0, 9);     /* 4 heads, 9 sectors */
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  read_and_compare (h, 0x20, 0xa2, 0x000304, (3 * 4 + 2) * 9 + 3, 3, 1);
  ide_command (h, 0x1f0, 0x20, 0xa0, 10, 1);    /* there is no sector 10, and no sector 0 */
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), IDNF);
  harness_free (h);
}
END_TEST

static void
write_and_compare (Harness *h, uint8_t command, uint8_t device, uint64_t sector, unsigned n, unsigned block)
{
  g_autofree uint8_t *bytes = g_malloc (n * 512);
  ide_fill (bytes, n * 512, command + n);
  ide_command (h, 0x1f0, command, device, sector, n & 0xffff);
  for (unsigned i = 0; i < n; i += block) {
    ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | DRQ);
    ide_write_data (h, 0x1f0, bytes + i * 512, MIN (block, n - i) * 512);
  }
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert (memcmp (bytes, harness_block_bytes (h, "bytes") + sector * 512, n * 512) == 0);
}

START_TEST (pio_writes)
{
  Harness *h = disk (ONE);
  write_and_compare (h, 0x30, 0xe0, 1, 1, 1);
  write_and_compare (h, 0x30, 0xe0, 100, 256, 1);
  write_and_compare (h, 0xc5, 0xe0, 17, 33, 16);
  write_and_compare (h, 0x39, 0x40, 1000, 400, 16);
  write_and_compare (h, 0xce, 0x40, 2000, 20, 16);
  unsigned writes = harness_block_count (h, "bytes", BP_BLOCK_WRITE);
  out8 (h, 0x1f1, 0x82);        /* no write cache: each sector for itself */
  ide_command (h, 0x1f0, 0xef, 0xa0, 0, 0);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert_uint_eq (harness_block_count (h, "bytes", BP_BLOCK_FLUSH), 1);
  write_and_compare (h, 0x34, 0x40, 50, 5, 1);
  ck_assert_uint_eq (harness_block_count (h, "bytes", BP_BLOCK_WRITE), writes + 5);
  harness_free (h);
}
END_TEST

/* --- DMA ---------------------------------------------------------------------------------------- */

static void
move_in_pieces (uint32_t piece)
{
  Harness *h = disk (ONE);
  uint8_t *there = harness_block_bytes (h, "bytes");
  uint32_t n = piece == 2 ? 2 : 60;
  g_autofree uint8_t *bytes = g_malloc (n * 512);
  unsigned rises = harness_rises (h, "probe", 14);
  ide_command (h, 0x1f0, 0x25, 0x40, 77, n);
  ide_start_dma (h, 0, true, n * 512, piece);
  ck_assert_uint_eq (ide_master_status (h, 0) & 7, 1);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert_uint_eq (ide_master_status (h, 0) & 7, 4);
  ck_assert_uint_eq (harness_rises (h, "probe", 14), rises + 1);
  bp_as_read (bp_machine_address_space (harness_machine (h), "memory"), IDE_MEMORY, bytes, n * 512);
  ck_assert (memcmp (bytes, there + 77 * 512, n * 512) == 0);
  ide_start_dma (h, 0, false, n * 512, piece);  /* the engine may be first */
  ide_command (h, 0x1f0, 0xca, 0xe0, 1000, n);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert (memcmp (bytes, there + 1000 * 512, n * 512) == 0);
  harness_free (h);
}

START_TEST (dma)
{
  static const uint32_t pieces[] = { 65536, 4096, 512, 2, 1000 };
  for (unsigned i = 0; i < BP_N_ELEMENTS (pieces); i++)
    move_in_pieces (pieces[i]);
}
END_TEST

START_TEST (dma_that_does_not_fit)
{
  Harness *h = disk (ONE);
  ide_command (h, 0x1f0, 0x25, 0x40, 0, 8);
  ide_start_dma (h, 0, true, 3 * 512 + 100, 4096);      /* too little memory: the drive waits */
  ck_assert_uint_eq (ide_wait (h, 0x1f0) & BSY, BSY);
  ck_assert_uint_eq (ide_master_status (h, 0) & 4, 0);
  out8 (h, 0x3f6, 4);
  out8 (h, 0x3f6, 0);
  ide_command (h, 0x1f0, 0x25, 0x40, 0, 8);
  ide_start_dma (h, 0, true, 65536, 65536);             /* more than is needed: the engine stays on */
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert_uint_eq (ide_master_status (h, 0) & 7, 5);
  ide_command (h, 0x1f0, 0x25, 0x40, 9, 8);
  ide_start_dma (h, 0, true, 4096, 4096);
  out8 (h, IDE_MASTER, 0);                              /* stopped, and started again */
  harness_advance (h, 1000000000);
  ck_assert_uint_eq (in8 (h, 0x3f6) & BSY, BSY);
  ide_start_dma (h, 0, true, 4096, 4096);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  harness_free (h);
}
END_TEST

/* Not deterministic: the image's bytes arrive in the guest's memory as the host has them, and answers count at once. */
START_TEST (dma_without_a_copy)
{
  Harness *h = disk (ONE);
  uint8_t bytes[4096];
  harness_machine (h)->deterministic = false;
  ide_command (h, 0x1f0, 0xc8, 0xe0, 3, 8);
  ide_start_dma (h, 0, true, 4096, 1024);
  ck_assert_uint_eq (harness_block_waiting (h, "bytes"), 1);
  ck_assert_uint_eq (in8 (h, 0x3f6) & BSY, BSY);
  harness_block_answer (h, "bytes");
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  bp_as_read (bp_machine_address_space (harness_machine (h), "memory"), IDE_MEMORY, bytes, 4096);
  ck_assert (memcmp (bytes, harness_block_bytes (h, "bytes") + 3 * 512, 4096) == 0);
  ide_command (h, 0x1f0, 0xc8, 0xe0, 3, 8);
  ide_start_dma (h, 0, true, 4096, 1024);
  out8 (h, 0x3f6, 4);           /* a reset waits for the host, so that nothing is written afterwards */
  ck_assert_uint_eq (harness_block_waiting (h, "bytes"), 0);
  out8 (h, 0x3f6, 0);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  ide_command (h, 0x1f0, 0xc8, 0xe0, 3, 8);
  ide_start_dma (h, 0, true, 4096, 1024);
  harness_machine (h)->deterministic = true;
  harness_free (h);
}
END_TEST

/* What is not mapped is copied, and not by as much memory as the guest likes. */
START_TEST (copies_are_bounded)
{
  enum { SOME = 1120 };         /* sectors: 560 KiB */
  Harness *h = disk (ONE);
  g_autofree uint8_t *bytes = g_malloc (SOME * 512);
  ide_command (h, 0x1f0, 0x25, 0x40, 0, SOME);
  ide_start_dma (h, 0, true, SOME * 512, 65536);
  for (unsigned i = 0; i < 10 && in8 (h, 0x3f6) & BSY; i++)
    ide_wait (h, 0x1f0);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  ck_assert_uint_eq (harness_block_count (h, "bytes", BP_BLOCK_READ), 2 + 1);
  bp_as_read (bp_machine_address_space (harness_machine (h), "memory"), IDE_MEMORY, bytes, SOME * 512);
  ck_assert (memcmp (bytes, harness_block_bytes (h, "bytes"), SOME * 512) == 0);
  harness_free (h);
}
END_TEST

static int64_t
time_to_verify (Harness *h, unsigned sectors, bool early)
{
  int64_t start = harness_now (h);
  ide_command (h, 0x1f0, 0x40, 0xe0, 0, sectors & 255);
  while (in8 (h, 0x3f6) & BSY) {
    ck_assert_int_lt (harness_now (h) - start, 100000000);
    if (early)
      harness_block_answer (h, "bytes");
    harness_advance (h, 1000);
  }
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  return harness_now (h) - start;
}

/* How long a command takes is the same whether the host has an answer before it is due or is waited for; also when one request makes the next. */
START_TEST (each_request_takes_its_time)
{
  Harness *h = disk (ONE);
  int64_t one = time_to_verify (h, 128, false), two = time_to_verify (h, 256, false);
  ck_assert_int_ge (two, 2 * one - 1000);
  ck_assert_int_eq (time_to_verify (h, 128, true), one);
  ck_assert_int_eq (time_to_verify (h, 256, true), two);
  harness_free (h);
}
END_TEST

/* Many answers at once, each with another request after it, do not pile up on the host's stack. */
START_TEST (pieces_do_not_pile_up)
{
  Harness *h = disk (ONE);
  harness_machine (h)->deterministic = false;
  harness_block_at_once (h, "bytes");
  ide_command (h, 0x1f0, 0x25, 0x40, 0, 16);            /* 512 pieces are as many as go into one request */
  ide_start_dma (h, 0, true, 16 * 512, 2);
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  ck_assert_uint_eq (harness_block_count (h, "bytes", BP_BLOCK_READ), 8 + 1);   /* and one for the partitions */
  size_t depth = harness_block_depth (h, "bytes");
  ck_assert_msg (depth < 1024, "%zu bytes", depth);
  harness_machine (h)->deterministic = true;
  harness_free (h);
}
END_TEST

/* --- errors ---------------------------------------------------------------------------------------- */

START_TEST (a_bad_sector)
{
  Harness *h = disk (ONE);
  uint8_t bytes[512];
  harness_block_fail (h, "bytes", 107, 1, EIO);
  ide_command (h, 0x1f0, 0x20, 0xe0, 100, 20);
  for (unsigned i = 0; i < 7; i++) {            /* what is before it arrives */
    ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | DRQ);
    ide_read_data (h, 0x1f0, bytes, 512);
  }
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), UNC);
  ck_assert_uint_eq (in8 (h, 0x1f3), 107);
  ide_command (h, 0x1f0, 0x25, 0x40, 90, 100);
  ide_start_dma (h, 0, true, 51200, 65536);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), UNC);
  ck_assert_uint_eq (in8 (h, 0x1f3), 107);
  ck_assert_uint_eq (ide_master_status (h, 0) & 4, 4);
  ide_command (h, 0x1f0, 0x40, 0xe0, 106, 4);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f3), 107);
  ide_command (h, 0x1f0, 0x20, 0xe0, SECTORS - 1, 2);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), IDNF);
  ck_assert_uint_eq (in8 (h, 0x1f3) | in8 (h, 0x1f4) << 8, SECTORS);
  harness_free (h);
}
END_TEST

START_TEST (write_protection)
{
  static const uint8_t commands[] = { 0x30, 0xca, 0xc5, 0x35, 0x3d };
  Harness *h = disk (TWO);
  for (unsigned i = 0; i < sizeof commands; i++) {
    ide_command (h, 0x1f0, commands[i], 0xf0, 1, 1);
    ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
    ck_assert_uint_eq (in8 (h, 0x1f1), WP | ABRT);
  }
  harness_free (h);
}
END_TEST

#define POLICY(p) "[device disk]\ntype = ide-disk\nbus = ide\ndrive = bytes\n" p "\n[backend bytes]\ntype = test-block\nsize = 2M\n"

static unsigned
stops_requested (Harness *h)
{
  FullMachine *fm = full_machine (harness_machine (h));
  unsigned n = fm->requested & REQUEST_STOP;
  fm->requested &= ~(unsigned) REQUEST_STOP;
  return n;
}

/* The host's disk is full: the machine is held, and the write is made again when it goes on. */
START_TEST (no_space)
{
  Harness *h = ide_new (POLICY (""));
  uint8_t bytes[512];
  ide_fill (bytes, 512, 9);
  harness_block_fail (h, "bytes", 5, 1, ENOSPC);
  ide_command (h, 0x1f0, 0x30, 0xe0, 5, 1);
  ide_write_data (h, 0x1f0, bytes, 512);
  ck_assert_uint_eq (ide_wait (h, 0x1f0) & BSY, BSY);
  ck_assert (stops_requested (h));
  ck_assert_int_eq (full_machine (harness_machine (h))->stop_state, BP_RUN_IO_ERROR);
  harness_round_trip (h);
  harness_block_fail (h, "bytes", 0, 0, 0);
  machine_tell (harness_machine (h), BP_MACHINE_RESUMED, NULL);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert (memcmp (harness_block_bytes (h, "bytes") + 5 * 512, bytes, 512) == 0);
  harness_free (h);
}
END_TEST

START_TEST (policies)
{
  Harness *h = ide_new (POLICY ("werror = report\nrerror = ignore"));
  uint8_t bytes[512] = { 0 };
  harness_block_fail (h, "bytes", 5, 1, ENOSPC);
  ide_command (h, 0x1f0, 0x30, 0xe0, 5, 1);
  ide_write_data (h, 0x1f0, bytes, 512);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), ABRT);
  harness_block_fail (h, "bytes", 5, 1, EIO);
  ide_command (h, 0x1f0, 0x20, 0xe0, 5, 1);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | DRQ);
  ck_assert (!stops_requested (h));
  harness_free (h);
}
END_TEST

START_TEST (aborted)
{
  static const uint8_t commands[] = { 0x00, 0xa0, 0xa1, 0xb1, 0xf1, 0xf2, 0xf6, 0xf9, 0x37, 0x92, 0x2f, 0xff, 0xde, 0x08 };
  Harness *h = disk (ONE);
  for (unsigned i = 0; i < sizeof commands; i++) {
    ide_command (h, 0x1f0, commands[i], 0xe0, 0, 1);
    ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
    ck_assert_uint_eq (in8 (h, 0x1f1), ABRT);
  }
  harness_free (h);
}
END_TEST

/* --- the rest ----------------------------------------------------------------------------------------- */

START_TEST (no_data)
{
  Harness *h = disk (ONE);
  static const uint8_t commands[] = { 0x10, 0x70, 0xe7, 0xea, 0xe0, 0xe1, 0xe2, 0xe3 };
  for (unsigned i = 0; i < sizeof commands; i++) {
    ide_command (h, 0x1f0, commands[i], 0xe0, 0, 1);
    ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  }
  ck_assert_uint_eq (harness_block_count (h, "bytes", BP_BLOCK_FLUSH), 2);
  ide_command (h, 0x1f0, 0xe5, 0xa0, 0, 0);
  ck_assert_uint_eq (in8 (h, 0x1f2), 0x80);
  ide_command (h, 0x1f0, 0x27, 0x40, 0, 0);
  ck_assert_uint_eq (in8 (h, 0x1f3) | in8 (h, 0x1f4) << 8, SECTORS - 1);
  ide_command (h, 0x1f0, 0xe6, 0xa0, 0, 0);     /* asleep: only a reset wakes it */
  ck_assert_uint_eq (in8 (h, 0x1f7), DRDY | DSC);
  ide_command (h, 0x1f0, 0xec, 0xa0, 0, 0);
  ck_assert_uint_eq (in8 (h, 0x1f7) & DRQ, 0);
  out8 (h, 0x3f6, 4);
  out8 (h, 0x3f6, 0);
  ide_command (h, 0x1f0, 0xec, 0xa0, 0, 0);
  ck_assert_uint_eq (in8 (h, 0x1f7) & DRQ, DRQ);
  harness_free (h);
}
END_TEST

START_TEST (trim)
{
  Harness *h = disk (ONE);
  uint64_t offset, size;
  write32 (h, IDE_MEMORY, 16);
  write32 (h, IDE_MEMORY + 4, 8u << 16);
  write32 (h, IDE_MEMORY + 8, 100);
  write32 (h, IDE_MEMORY + 12, 3u << 16);
  out8 (h, 0x1f1, 0);
  out8 (h, 0x1f1, 1);
  ide_command (h, 0x1f0, 0x06, 0x40, 0, 1);
  ide_start_dma (h, 0, false, 512, 512);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  harness_block_discarded (h, "bytes", &offset, &size);
  ck_assert_uint_eq (offset, 100 * 512);
  ck_assert_uint_eq (size, 3 * 512);
  ck_assert_uint_eq (harness_block_count (h, "bytes", BP_BLOCK_DISCARD), 2);
  write32 (h, IDE_MEMORY, SECTORS);
  ide_command (h, 0x1f0, 0x06, 0x40, 0, 1);
  ide_start_dma (h, 0, false, 512, 512);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  harness_free (h);
}
END_TEST

START_TEST (smart)
{
  Harness *h = disk (ONE);
  uint8_t page[512], sum = 0;
  out8 (h, 0x1f1, 0xd0);
  ide_command (h, 0x1f0, 0xb0, 0xa0, 0xc24f00, 1);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | DRQ);
  ide_read_data (h, 0x1f0, page, 512);
  for (unsigned i = 0; i < 512; i++)
    sum = (uint8_t) (sum + page[i]);
  ck_assert_uint_eq (sum, 0);
  out8 (h, 0x1f1, 0xda);
  ide_command (h, 0x1f0, 0xb0, 0xa0, 0xc24f00, 1);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert_uint_eq (in8 (h, 0x1f4) | in8 (h, 0x1f5) << 8, 0xc24f);
  ide_command (h, 0x1f0, 0xb0, 0xa0, 0, 1);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  harness_free (h);
}
END_TEST

START_TEST (removable)
{
  Harness *h = ide_new (POLICY ("removable = on"));
  ck_assert (harness_block_change (h, "bytes", 0, false, false));
  ide_command (h, 0x1f0, 0x20, 0xe0, 0, 1);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), NM | ABRT);
  ck_assert (harness_block_change (h, "bytes", 1 << 20, false, false));
  ide_command (h, 0x1f0, 0xda, 0xa0, 0, 0);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), MC);
  ide_command (h, 0x1f0, 0xde, 0xa0, 0, 0);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  ck_assert (!harness_block_change (h, "bytes", 0, false, false));
  ide_command (h, 0x1f0, 0xdf, 0xa0, 0, 0);
  ck_assert (harness_block_change (h, "bytes", 0, false, false));
  harness_free (h);
}
END_TEST

/* At every point of a transfer. */
START_TEST (saved_state)
{
  Harness *h = disk (TWO);
  uint8_t bytes[512], *there = harness_block_bytes (h, "bytes");
  g_autofree uint8_t *all = g_malloc (40960);
  ide_command (h, 0x1f0, 0x20, 0xe0, 30, 3);
  harness_round_trip (h);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | DRQ);
  ide_read_data (h, 0x1f0, bytes, 200);
  harness_round_trip (h);
  ide_read_data (h, 0x1f0, bytes + 200, 312);
  ck_assert (memcmp (bytes, there + 30 * 512, 512) == 0);
  out8 (h, 0x3f6, 4);
  out8 (h, 0x3f6, 0);
  ide_command (h, 0x1f0, 0x25, 0x40, 50, 80);
  harness_round_trip (h);
  ide_start_dma (h, 0, true, 40960, 8192);
  harness_round_trip (h);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  bp_as_read (bp_machine_address_space (harness_machine (h), "memory"), IDE_MEMORY, all, 40960);
  ck_assert (memcmp (all, there + 50 * 512, 40960) == 0);
  harness_free (h);
}
END_TEST

/* What a guest may do between the command and its end: the machine that is loaded there sees what the other one sees. */
typedef struct Meddling {
  bool writes, starts_again;    /* the transfer is from memory; it ends when the engine is started again */
  void (*meddle) (Harness *h);
} Meddling;

static void stop_engine (Harness *h) { out8 (h, IDE_MASTER, 0); }
static void take_table_away (Harness *h) { write32 (h, IDE_TABLE + 4, 0x80000000u | 100); }
static void halve_table (Harness *h) { write32 (h, IDE_TABLE + 4, 0x80000000u | 2048); }
static void move_memory (Harness *h) { write32 (h, IDE_TABLE, IDE_MEMORY + 0x8000); }
static void change_data (Harness *h) { write32 (h, IDE_MEMORY + 512, 0x12345678); }
static void leave_memory (Harness *h) { write32 (h, IDE_TABLE, 0xf0000000); }

static void
stop_engine_for_a_while (Harness *h)
{
  uint8_t command = in8 (h, IDE_MASTER);
  out8 (h, IDE_MASTER, 0);
  harness_advance (h, 1000);
  out8 (h, IDE_MASTER, command);
}

static void
end_in_both (Harness *h, Harness *twin, const Meddling *m)
{
  Harness *const both[] = { h, twin };
  for (unsigned i = 0; i < 2; i++) {
    m->meddle (both[i]);
    harness_advance (both[i], 10000000);
  }
  harness_check_same (h, twin);
  for (unsigned i = 0; i < 2; i++) {
    ck_assert_uint_eq (in8 (both[i], 0x3f6) & BSY, m->starts_again ? BSY : 0);
    if (m->starts_again)
      ide_start_dma (both[i], 0, !m->writes, 4096, 4096);
    ck_assert_uint_eq (ide_wait (both[i], 0x1f0), DRDY | DSC);
  }
  harness_check_same (h, twin);
  ck_assert (memcmp (harness_block_bytes (h, "bytes"), harness_block_bytes (twin, "bytes"), 4096) == 0);
}

START_TEST (saved_dma)
{
  static const Meddling all[] = {
    { false, true, stop_engine }, { true, true, stop_engine }, { false, false, stop_engine_for_a_while }, { false, true, take_table_away },
    { true, true, take_table_away }, { false, true, halve_table }, { false, false, move_memory }, { true, false, change_data }, { false, false, leave_memory }
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (all); i++) {
    Harness *h = disk (ONE), *twin = disk (ONE);
    ide_command (h, 0x1f0, all[i].writes ? 0xca : 0xc8, 0xe0, 0, 8);
    ide_start_dma (h, 0, !all[i].writes, 4096, 4096);
    harness_block_copy (h, twin);
    harness_copy (h, twin);
    end_in_both (h, twin, &all[i]);
    harness_free (twin);
    harness_free (h);
  }
}
END_TEST

/* Between two ranges. */
START_TEST (saved_trim)
{
  Harness *h = disk (ONE);
  uint64_t offset, size;
  for (unsigned i = 0; i < 3; i++) {
    write32 (h, IDE_MEMORY + 8 * i, 10 * i);
    write32 (h, IDE_MEMORY + 8 * i + 4, (i + 1) << 16);
  }
  out8 (h, 0x1f1, 1);
  ide_command (h, 0x1f0, 0x06, 0x40, 0, 1);
  ide_start_dma (h, 0, false, 512, 512);
  for (unsigned i = 0; i < 4; i++) {
    harness_round_trip (h);
    harness_advance (h, 60000);
  }
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC);
  harness_block_discarded (h, "bytes", &offset, &size);
  ck_assert_uint_eq (offset, 20 * 512);
  ck_assert_uint_eq (size, 3 * 512);
  harness_free (h);
}
END_TEST

#define FIELDS 1024             /* bytes of a state, before and behind its buffer */

/* Whatever one byte of a saved request becomes, it is refused, or the drive lives with it. */
static void
change_each_byte (Harness *h)
{
  static const uint8_t values[] = { 0x00, 0x01, 0x02, 0x03, 0x04, 0x10, 0x50, 0x58, 0x7f, 0xc8, 0xff }, nothing[1024] = { 0 };
  BpObject *o = object_of (harness_object (h, "disk"));
  g_autoptr (GByteArray) state = state_saved (o);
  for (guint at = 0; at < state->len; at += at > FIELDS && at + FIELDS < state->len ? 256 : 1)     /* not each of the buffer's */
    for (unsigned i = 0; i < sizeof values; i++) {
      g_autofree uint8_t *other = g_memdup2 (state->data, state->len);
      other[at] = values[i];
      bp_machine_lock (harness_machine (h));
      bool taken = state_load (o, other, state->len, NULL);
      bp_machine_unlock (harness_machine (h));
      if (taken) {
        ide_write_data (h, 0x1f0, nothing, sizeof nothing);
        ide_command (h, 0x1f0, 0x20, 0xe0, 0, 2);
        ide_wait (h, 0x1f0);
      }
      harness_reset (h, BP_RESET_COLD);
    }
}

START_TEST (saved_nonsense)
{
  static const uint8_t commands[] = { 0x20, 0x42, 0xe7, 0x30 }, nothing[512] = { 0 };
  for (unsigned i = 0; i < sizeof commands; i++) {
    Harness *h = disk (ONE);
    ide_command (h, 0x1f0, commands[i], 0xe0, 0, commands[i] == 0x30 ? 1 : 4);
    if (commands[i] == 0x30)
      ide_write_data (h, 0x1f0, nothing, sizeof nothing);
    change_each_byte (h);
    harness_free (h);
  }
}
END_TEST

/* The adapter of an ISA board: the same drives, and nothing that needs DMA. */
START_TEST (without_dma)
{
  Harness *h = harness_new (hw_pc (), "[device probe]\ntype = test-probe\n[device ide]\ntype = isa-ide\npio0 = io@0x1f0\npio1 = io@0x3f6\nirq14 = probe.in14\n" ONE);
  uint16_t w[256];
  ide_fill (harness_block_bytes (h, "bytes"), SECTORS * 512, 1);
  identify (h, w);
  ck_assert_uint_eq (w[49] & 0x100, 0);
  ck_assert_uint_eq (w[63] | w[88], 0);
  read_and_compare (h, 0x20, 0xe0, 100, 100, 7, 1);
  ck_assert_uint_gt (harness_rises (h, "probe", 14), 7);
  ide_command (h, 0x1f0, 0xc8, 0xe0, 0, 1);
  ck_assert_uint_eq (ide_wait (h, 0x1f0), DRDY | DSC | ERR);
  ck_assert_uint_eq (in8 (h, 0x1f1), ABRT);
  harness_free (h);
}
END_TEST

/* A partition's end tells what the disk was made with; where it is said, that counts. */
START_TEST (geometries)
{
  static const struct { const char *keys; uint8_t heads, sectors; unsigned cylinders; } cases[] = {
    { "", 16, 63, 4 }, { "cylinders = 32\nheads = 4\nsectors = 32\n", 4, 32, 32 }
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    g_autofree char *text = g_strconcat ("[device disk]\ntype = ide-disk\nbus = ide\ndrive = bytes\n", cases[i].keys,
                                         "[backend bytes]\ntype = test-block\nsize = 2M\n", NULL);
    Harness *h = ide_new (text);
    uint16_t w[256];
    identify (h, w);
    ck_assert_uint_eq (w[1], cases[i].cylinders);
    ck_assert_uint_eq (w[3], cases[i].heads);
    ck_assert_uint_eq (w[6], cases[i].sectors);
    harness_free (h);
  }
}
END_TEST

/* A disk goes back to a snapshot with the machine, and may have had another size then. */
START_TEST (loaded_with_another_size)
{
  Harness *a = ide_new (POLICY ("")), *b = ide_new (POLICY (""));
  harness_block_change (a, "bytes", 1 << 20, false, true);
  harness_block_copy (a, b);
  harness_copy (a, b);
  uint16_t w[256];
  identify (b, w);
  ck_assert_uint_eq (w[60] | w[61] << 16, (1 << 20) / 512);
  harness_free (a);
  harness_free (b);
}
END_TEST

START_TEST (refusals)
{
  static const char base[] = "[device ide]\ntype = isa-ide\n[backend b]\ntype = test-block\nsize = 1M\n[backend c]\ntype = test-block\nsize = 1M\n";
  static const char *const texts[][2] = {
    { "[device d]\ntype = ide-disk\nbus = ide\naddress = 2.0\ndrive = b\n", "no place 2.0" },
    { "[device d]\ntype = ide-disk\nbus = ide\naddress = x\ndrive = b\n", "write CHANNEL.UNIT" },
    { "[device d]\ntype = ide-disk\nbus = ide\ndrive = b\n[device e]\ntype = ide-disk\nbus = ide\ndrive = c\n", "0.0 on `ide' is taken" },
    { "[device d]\ntype = ide-disk\nbus = ide\ndrive = b\n[device e]\ntype = ide-disk\nbus = ide\naddress = 0.1\ndrive = b\n", "another device" },
    { "[device d]\ntype = ide-disk\nbus = ide\ndrive = b\nheads = 4\n", "go together" },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (texts); i++) {
    g_autofree char *text = g_strconcat (base, texts[i][0], NULL), *refusal = harness_refusal (hw_pc (), text);
    ck_assert_msg (strstr (refusal, texts[i][1]), "%s", refusal);
  }
}
END_TEST

HARNESS_MAIN ("ide-disk", signature_and_absence, two_bytes_deep, identification, resets, interrupts, pio_reads, pio_writes, dma, dma_that_does_not_fit,
              dma_without_a_copy, copies_are_bounded, each_request_takes_its_time, pieces_do_not_pile_up, a_bad_sector, write_protection, no_space, policies, aborted, no_data, trim, smart, removable, saved_state, saved_dma, saved_trim, saved_nonsense, without_dma, geometries, loaded_with_another_size, refusals)
