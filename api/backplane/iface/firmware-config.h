/* iface/firmware-config.h -- a table of named files that firmware reads: whoever knows something about the machine adds to it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Firmware learns of boot order, memory map, ACPI and SMBIOS tables and option ROMs from files with agreed names (QEMU's docs/specs/fw_cfg
 * describes device and names).  An object that links to the provider adds its files in realize; from the first reset on the table is fixed, so
 * an object that may leave a running machine adds no maker.
 */
#ifndef BACKPLANE_IFACE_FIRMWARE_CONFIG_H
#define BACKPLANE_IFACE_FIRMWARE_CONFIG_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_FIRMWARE_CONFIG_ID "bp.firmware-config/1"

typedef struct BpFirmwareConfigIface {
  uint32_t struct_size;
  /* A file with these bytes, which are copied.  false: the name is taken, or longer than 55 bytes, or the table is fixed or full. [main][realized] */
  bool (*add_file) (void *self, const char *name, const void *bytes, size_t size, GError **error);
  /* A file whose bytes are made at each reset of the machine, when everything about it is known: `make` appends them,
   * [main][locked], before or after the maker's object was reset. [main][realized] */
  bool (*add_maker) (void *self, const char *name, void (*make) (void *user, GByteArray *bytes), void *user, GError **error);
  /* The bytes of a file, for a boot program that does firmware's work; NULL: there is none.  Good until the next reset. [main][locked] */
  const GByteArray *(*file) (void *self, const char *name);
  /* A numbered item below 0x20, such as the machine's UUID (0x02) or the kernel that firmware is to start (0x07 to 0x18): from now on it is these bytes, of which a reference is
   * kept; NULL: there is none.  false: the number is the provider's own. [main][realized] */
  bool (*set_item) (void *self, uint16_t number, GBytes *bytes);
} BpFirmwareConfigIface;

/* Without a provider: true, and nobody reads it. */
static inline bool bp_firmware_config_add_file (const BpLink *link, const char *name, const void *bytes, size_t size, GError **error)
{
  const BpFirmwareConfigIface *t = (const BpFirmwareConfigIface *) link->table;
  return !BP_TABLE_HAS (t, add_file) || t->add_file (link->instance, name, bytes, size, error);
}
static inline bool bp_firmware_config_add_maker (const BpLink *link, const char *name, void (*make) (void *user, GByteArray *bytes), void *user,
                                                 GError **error)
{
  const BpFirmwareConfigIface *t = (const BpFirmwareConfigIface *) link->table;
  return !BP_TABLE_HAS (t, add_maker) || t->add_maker (link->instance, name, make, user, error);
}
static inline const GByteArray *bp_firmware_config_file (const BpLink *link, const char *name)
{
  const BpFirmwareConfigIface *t = (const BpFirmwareConfigIface *) link->table;
  return BP_TABLE_HAS (t, file) ? t->file (link->instance, name) : NULL;
}
static inline bool bp_firmware_config_set_item (const BpLink *link, uint16_t number, GBytes *bytes)
{
  const BpFirmwareConfigIface *t = (const BpFirmwareConfigIface *) link->table;
  return BP_TABLE_HAS (t, set_item) && t->set_item (link->instance, number, bytes);
}

BP_END_DECLS
#endif
