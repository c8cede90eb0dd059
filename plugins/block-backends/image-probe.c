/* image-probe.c -- which format the first bytes of a file belong to. */
/* SPDX-License-Identifier: MIT */
/*
 * The list has more than can be opened: a file that another program takes for one of these is not raw, and a guest must not be able to make its disk
 * look like one.  Else a guest whose disk is a raw image could write a header that names any file of the host as its backing file,
 * and would read that file when the image is opened the next time.
 */
#include "image.h"
#include <string.h>

typedef struct Signature {
  const char *format;
  uint16_t at, size;
  const char *bytes;
} Signature;

static const Signature signatures[] = {
  { "qcow2", 0, 8, "QFI\xfb\0\0\0\2" },
  { "qcow2", 0, 8, "QFI\xfb\0\0\0\3" },
  { "qcow", 0, 4, "QFI\xfb" },  /* version 1, or one that is not known yet */
  { "qed", 0, 4, "QED\0" },
  { "vmdk", 0, 4, "KDMV" },
  { "vmdk", 0, 4, "COWD" },
  { "vmdk", 0, 21, "# Disk DescriptorFile" },
  { "vdi", 64, 4, "\x7f\x10\xda\xbe" },
  { "vhdx", 0, 8, "vhdxfile" },
  { "vpc", 0, 8, "conectix" },
  { "luks", 0, 6, "LUKS\xba\xbe" },
  { "parallels", 0, 16, "WithoutFreeSpace" },
  { "parallels", 0, 16, "WithouFreSpacExt" },
  { "bochs", 0, 22, "Bochs Virtual HD Image" },
  { "cloop", 0, 17, "#!/bin/sh\n#V2.0 F" },
};

const char *
image_probe (const uint8_t head[IMAGE_PROBE_BYTES])
{
  for (guint i = 0; i < G_N_ELEMENTS (signatures); i++)
    if (memcmp (head + signatures[i].at, signatures[i].bytes, signatures[i].size) == 0)
      return signatures[i].format;
  return NULL;
}
