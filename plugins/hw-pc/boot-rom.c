/* boot-rom.c -- an option ROM by which firmware starts a Linux kernel: it has fw_cfg put four items into memory and jumps to the kernel's setup. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "boot.h"

/* The ROM is legacy, without a Plug and Play header: a BIOS calls its entry before it boots, whatever the boot order is.  The entry puts the handler
 * into the vector of INT 19h, which is the BIOS's last act. */
enum { ROM_SIZE = 512, ENTRY = 0x20, HANDLER = 0x40, REQUESTS = 0xa0, CHECKSUM = ROM_SIZE - 1 };

static const uint8_t header[] = {
  0x55, 0xaa, ROM_SIZE / 512,
  0xeb, ENTRY - 5               /*      jmp     entry */
};

static const uint8_t entry[] = {
  0x1e,                         /*      push    ds */
  0x50,                         /*      push    ax */
  0x31, 0xc0,                   /*      xor     ax, ax */
  0x8e, 0xd8,                   /*      mov     ds, ax */
  0xc7, 0x06, 0x64, 0x00, HANDLER, 0x00,        /* mov word [64], handler */
  0x8c, 0x0e, 0x66, 0x00,       /*      mov     [66], cs */
  0x58,                         /*      pop     ax */
  0x1f,                         /*      pop     ds */
  0xcb                          /*      retf */
};

/* Each request's address goes to the port, big-endian, the upper half first.  The device answers at once.  Without one, whatever else there is to
 * boot is the BIOS's choice. */
static const uint8_t handler[] = {
  0xfa,                         /*      cli */
  0xfc,                         /*      cld */
  0xba, 0x14, 0x05,             /*      mov     dx, 514 */
  0x66, 0xed,                   /*      in      eax, dx */
  0x66, 0x3d, 'Q', 'E', 'M', 'U',               /* cmp eax, "QEMU" */
  0x75, 0x44,                   /*      jne     fail */
  0x66, 0x31, 0xf6,             /*      xor     esi, esi */
  0x8c, 0xce,                   /*      mov     si, cs */
  0x66, 0xc1, 0xe6, 0x04,       /*      shl     esi, 4 */
  0x66, 0x81, 0xc6, REQUESTS, 0x00, 0x00, 0x00, /* add esi, requests */
  0xb9, BOOT_ROM_PIECES, 0x00,  /*      mov     cx, 4 */
  0xba, 0x14, 0x05,             /* next: mov    dx, 514 */
  0x66, 0x31, 0xc0,             /*      xor     eax, eax */
  0x66, 0xef,                   /*      out     dx, eax */
  0xba, 0x18, 0x05,             /*      mov     dx, 518 */
  0x66, 0x89, 0xf0,             /*      mov     eax, esi */
  0x66, 0x0f, 0xc8,             /*      bswap   eax */
  0x66, 0xef,                   /*      out     dx, eax */
  0x66, 0x83, 0xc6, 0x10,       /*      add     esi, 16 */
  0xe2, 0xe7,                   /*      loop    next */
  0xb8, 0x00, BOOT_SETUP >> 12, /*      mov     ax, 1000 */
  0x8e, 0xd8,                   /*      mov     ds, ax */
  0x8e, 0xc0,                   /*      mov     es, ax */
  0x8e, 0xe0,                   /*      mov     fs, ax */
  0x8e, 0xe8,                   /*      mov     gs, ax */
  0x8e, 0xd0,                   /*      mov     ss, ax */
  0x66, 0xbc, 0xf0, 0xff, 0x00, 0x00,           /* mov esp, fff0 */
  0xea, 0x00, 0x00, 0x20, BOOT_SETUP >> 12,     /* jmp 1020:0000 */
  0xcd, 0x18                    /* fail: int    18 */
};

G_STATIC_ASSERT (ENTRY + sizeof entry <= HANDLER && HANDLER + sizeof handler <= REQUESTS && REQUESTS + 16 * BOOT_ROM_PIECES <= CHECKSUM);

enum { DMA_READ = 2, DMA_SELECT = 8 };

static void
put_big (uint8_t *to, uint32_t value)
{
  value = GUINT32_TO_BE (value);
  memcpy (to, &value, 4);
}

void
boot_make_rom (GByteArray *bytes, const BootPiece pieces[BOOT_ROM_PIECES])
{
  uint8_t rom[ROM_SIZE] = { 0 }, sum = 0;
  memcpy (rom, header, sizeof header);
  memcpy (rom + ENTRY, entry, sizeof entry);
  memcpy (rom + HANDLER, handler, sizeof handler);
  for (unsigned i = 0; i < BOOT_ROM_PIECES; i++) {
    uint8_t *request = rom + REQUESTS + 16 * i;
    put_big (request, (uint32_t) pieces[i].item << 16 | DMA_SELECT | DMA_READ);
    put_big (request + 4, pieces[i].size);
    put_big (request + 12, pieces[i].address);
  }
  for (unsigned i = 0; i < ROM_SIZE; i++)
    sum = (uint8_t) (sum + rom[i]);
  rom[CHECKSUM] = (uint8_t) -sum;
  g_byte_array_append (bytes, rom, sizeof rom);
}
