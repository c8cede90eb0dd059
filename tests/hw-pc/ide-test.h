/* ide-test.h -- an IDE adapter under test: its ports, commands with their registers, data, and DMA. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IDE_TEST_H
#define TESTS_IDE_TEST_H

#include "harness-block.h"
#include "hw-pc-test.h"

/* Bits of the status and error registers. */
enum { ERR = 0x01, DRQ = 0x08, DSC = 0x10, DRDY = 0x40, BSY = 0x80 };
enum { NM = 0x02, ABRT = 0x04, IDNF = 0x10, MC = 0x20, WP = 0x40, UNC = 0x40 };
#define IDE_MASTER 0xc000       /* where the bus master's ports are */
#define IDE_TABLE 0x1000        /* and its table, of channel 0 */
#define IDE_MEMORY 0x10000      /* memory for data */

/* A PC's bridges, an adapter with its bus master set up, and these drives; pic is a probe: 14 and 15 are the channels' interrupts. */
Harness *ide_new (const char *drives);
/* Registers for a command; count and sector as wide as the command has them. */
void ide_command (Harness *h, uint16_t base, uint8_t command, uint8_t device, uint64_t sector, unsigned count);
/* Waits for what is under way; the status, which acknowledges. */
uint8_t ide_wait (Harness *h, uint16_t base);
void ide_read_data (Harness *h, uint16_t base, void *to, size_t size);
void ide_write_data (Harness *h, uint16_t base, const void *from, size_t size);
/* Makes a table of pieces of so many bytes each, and starts the engine of channel 0 or 1. */
void ide_start_dma (Harness *h, unsigned channel, bool to_memory, uint32_t bytes, uint32_t piece);
uint8_t ide_master_status (Harness *h, unsigned channel);
/* A packet and its data by PIO; the status at the end.  *got: how much there was. */
uint8_t ide_packet (Harness *h, const uint8_t packet[12], void *data, size_t size, size_t *got);
void ide_fill (uint8_t *bytes, size_t size, unsigned seed);

#endif
