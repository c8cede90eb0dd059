/* api-state.c -- functions for plugins: the access that they are told of, registers and memory of the vCPU that runs. */
/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <string.h>
#include <backplane/memory.h>
#include "compat.h"

/* --- an access ------------------------------------------------------------------------------------- */

#define MEMINFO_SIZE 7u
#define MEMINFO_SIGN 8u
#define MEMINFO_STORE 16u

unsigned int
qemu_plugin_mem_size_shift (qemu_plugin_meminfo_t info)
{
  return info & MEMINFO_SIZE;
}

bool
qemu_plugin_mem_is_sign_extended (qemu_plugin_meminfo_t info)
{
  return info & MEMINFO_SIGN;
}

bool
qemu_plugin_mem_is_big_endian (qemu_plugin_meminfo_t info)
{
  return false;
}

bool
qemu_plugin_mem_is_store (qemu_plugin_meminfo_t info)
{
  return info & MEMINFO_STORE;
}

/* The value of a small access is told.  A large one's is read: it has just been made, so RAM holds what was loaded or stored. */
static void
value_of (Plugin *plugin, const Part *part, uint64_t value[2])
{
  const BpAccess *access = part->whole;
  value[0] = value[1] = 0;
  if (access->bytes <= 8) {
    value[0] = access->value >> 8 * part->offset;
  } else if (access->is_device || !bp_read_memory (plugin->instrument, now.vcpu, part->address, value, part->bytes)) {
    unserved (plugin, NO_VALUE);
  }
}

qemu_plugin_mem_value
qemu_plugin_mem_get_value (qemu_plugin_meminfo_t info)
{
  qemu_plugin_mem_value v = { .type = (enum qemu_plugin_mem_value_type) (info & MEMINFO_SIZE) };
  uint64_t value[2];
  if (!now.plugin || !now.part) {
    return v;
  }
  value_of (now.plugin, now.part, value);
  switch (v.type) {
  case QEMU_PLUGIN_MEM_VALUE_U8: v.data.u8 = (uint8_t) value[0]; break;
  case QEMU_PLUGIN_MEM_VALUE_U16: v.data.u16 = (uint16_t) value[0]; break;
  case QEMU_PLUGIN_MEM_VALUE_U32: v.data.u32 = (uint32_t) value[0]; break;
  case QEMU_PLUGIN_MEM_VALUE_U64: v.data.u64 = value[0]; break;
  case QEMU_PLUGIN_MEM_VALUE_U128: v.data.u128.low = value[0]; v.data.u128.high = value[1]; break;
  }
  return v;
}

/* Within a page it goes on as it began. */
static uint64_t
physical_of (Plugin *plugin, const Part *part)
{
  const BpAccess *access = part->whole;
  uint64_t physical;
  if ((part->address ^ access->address) >> 12 && bp_translate (plugin->instrument, now.vcpu, part->address, &physical)) {
    return physical;
  }
  return access->physical + part->offset;
}

struct qemu_plugin_hwaddr *
qemu_plugin_get_hwaddr (qemu_plugin_meminfo_t info, uint64_t vaddr)
{
  if (!now.plugin || !now.part) {
    return NULL;
  }
  now.hwaddr = (struct qemu_plugin_hwaddr) { physical_of (now.plugin, now.part) + (vaddr - now.part->address), now.part->whole->is_device };
  return &now.hwaddr;
}

bool
qemu_plugin_hwaddr_is_io (const struct qemu_plugin_hwaddr *haddr)
{
  return haddr && haddr->is_io;
}

uint64_t
qemu_plugin_hwaddr_phys_addr (const struct qemu_plugin_hwaddr *haddr)
{
  return haddr ? haddr->physical : 0;
}

/* The object that owns what is there, as the descriptor names it. */
const char *
qemu_plugin_hwaddr_device_name (const struct qemu_plugin_hwaddr *h)
{
  Plugin *plugin = CALLER ();
  if (!h || !h->is_io || !plugin || !plugin->memory) {
    return "RAM";
  }
  const BpFlatRange *range = bp_as_lookup (plugin->memory, h->physical);
  if (!range) {
    return "unassigned";
  }
  const void *owner = bp_region_owner (range->region);
  const char *name = g_intern_string (owner ? bp_object_id (owner) : bp_region_name (range->region));
  bp_as_leave (plugin->memory);
  return name;
}

/* --- registers ---------------------------------------------------------------------------------------- */

/* Those of the first CPU in the view that shows most: what QEMU's own names are taken from, too. */
void
registers_find (Plugin *plugin)
{
  unsigned cursor = 0, n = 0;
  const BpDebugRegister *r;
  void *cpu = bp_machine_next (bp_object_machine (plugin), BP_CPU_DEBUG_ID, &cursor);
  const BpCpuDebugIface *debug = cpu ? bp_object_interface (cpu, BP_CPU_DEBUG_ID) : NULL;
  if (!debug) {
    return;
  }
  while (debug->reg (cpu, 0, n)) {
    n++;
  }
  plugin->registers = g_new0 (struct qemu_plugin_register, n);
  plugin->n_registers = n;
  for (unsigned i = 0; i < n && (r = debug->reg (cpu, 0, i)); i++) {
    plugin->registers[i] = (struct qemu_plugin_register) { r->name, r->feature, r->bits / 8u, r->flags & (BP_DEBUG_READ_ONLY | BP_DEBUG_PC) };
  }
}

/* Before version 6 a row ends with its third member. */
GArray *
qemu_plugin_get_registers (void)
{
  Plugin *plugin = CALLER ();
  unsigned size = plugin && plugin->version < 6 ? offsetof (qemu_plugin_reg_descriptor, is_readonly) : sizeof (qemu_plugin_reg_descriptor);
  GArray *rows = g_array_new (TRUE, TRUE, size);
  for (unsigned i = 0; plugin && i < plugin->n_registers; i++) {
    struct qemu_plugin_register *r = &plugin->registers[i];
    const qemu_plugin_reg_descriptor row = { .handle = r, .name = r->name, .feature = r->feature, .is_readonly = r->is_readonly };
    g_array_append_vals (rows, &row, 1);
  }
  return rows;
}

/* As the plugin's version has results: how many bytes or -1, or whether it worked. */
static int
result (const Plugin *plugin, unsigned bytes)
{
  if (plugin && plugin->version >= 6) {
    return bytes != 0;
  }
  return bytes ? (int) bytes : -1;
}

static bool
has_vcpu (const Plugin *plugin)
{
  return plugin && now.plugin == plugin && now.vcpu != NO_VCPU;
}

int
qemu_plugin_read_register (struct qemu_plugin_register *handle, GByteArray *buf)
{
  Plugin *plugin = CALLER ();
  uint8_t bytes[BP_DEBUG_REGISTER_BYTES];
  unsigned n = 0;
  if (has_vcpu (plugin) && handle && now.flags != QEMU_PLUGIN_CB_NO_REGS) {
    n = bp_read_register (plugin->instrument, now.vcpu, handle->name, bytes, sizeof bytes);
    g_byte_array_append (buf, bytes, n);
  }
  return result (plugin, n);
}

int
qemu_plugin_write_register (struct qemu_plugin_register *handle, GByteArray *buf)
{
  Plugin *plugin = CALLER ();
  bool may = has_vcpu (plugin) && now.flags >= QEMU_PLUGIN_CB_RW_REGS && handle && !handle->is_readonly && buf->len >= handle->bytes;
  bool done = may && bp_write_register (plugin->instrument, now.vcpu, handle->name, buf->data, handle->bytes);
  return result (plugin, done ? handle->bytes : 0);
}

static const char *
name_of_pc (const Plugin *plugin)
{
  static const char *const names[] = { "rip", "eip", "pc" };
  for (unsigned i = 0; i < plugin->n_registers; i++) {
    for (unsigned k = 0; k < G_N_ELEMENTS (names); k++) {
      if (strcmp (plugin->registers[i].name, names[k]) == 0) {
        return plugin->registers[i].name;
      }
    }
  }
  return NULL;
}

/* Back to where the call-back was called from; the plugin promised, with QEMU_PLUGIN_CB_RW_REGS_PC, that it can do without what is in between. */
void
qemu_plugin_set_pc (uint64_t vaddr)
{
  Plugin *plugin = now.plugin;
  g_assert (plugin && now.escape);      /* a call-back of another kind cannot be left */
  const char *pc = name_of_pc (plugin);
  uint64_t value = vaddr;
  unsigned bytes = pc ? bp_read_register (plugin->instrument, now.vcpu, pc, &value, sizeof value) : 0;
  value = vaddr;
  if (!bytes || !bp_write_register (plugin->instrument, now.vcpu, pc, &value, bytes)) {
    unserved (plugin, NO_SET_PC);
  }
  _longjmp (*(jmp_buf *) now.escape, 1);
}

/* --- memory ------------------------------------------------------------------------------------------------ */

bool
qemu_plugin_read_memory_vaddr (uint64_t addr, GByteArray *data, size_t len)
{
  Plugin *plugin = CALLER ();
  if (!has_vcpu (plugin) || !len || len > G_MAXUINT) {
    return false;
  }
  g_byte_array_set_size (data, (unsigned) len);
  return bp_read_memory (plugin->instrument, now.vcpu, addr, data->data, len);
}

bool
qemu_plugin_write_memory_vaddr (uint64_t addr, GByteArray *data)
{
  Plugin *plugin = CALLER ();
  return has_vcpu (plugin) && data->len && bp_write_memory (plugin->instrument, now.vcpu, addr, data->data, data->len);
}

enum qemu_plugin_hwaddr_operation_result
qemu_plugin_read_memory_hwaddr (uint64_t addr, GByteArray *data, size_t len)
{
  Plugin *plugin = CALLER ();
  if (!plugin || !len || len > G_MAXUINT) {
    return QEMU_PLUGIN_HWADDR_OPERATION_ERROR;
  }
  g_byte_array_set_size (data, (unsigned) len);
  return bp_read_physical (plugin->instrument, addr, data->data, len) ? QEMU_PLUGIN_HWADDR_OPERATION_OK : QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS;
}

enum qemu_plugin_hwaddr_operation_result
qemu_plugin_write_memory_hwaddr (uint64_t addr, GByteArray *data)
{
  Plugin *plugin = CALLER ();
  if (!plugin || !data->len) {
    return QEMU_PLUGIN_HWADDR_OPERATION_ERROR;
  }
  return bp_write_physical (plugin->instrument, addr, data->data, data->len) ? QEMU_PLUGIN_HWADDR_OPERATION_OK
                                                                              : QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS;
}

bool
qemu_plugin_translate_vaddr (uint64_t vaddr, uint64_t *hwaddr)
{
  Plugin *plugin = CALLER ();
  return has_vcpu (plugin) && bp_translate (plugin->instrument, now.vcpu, vaddr, hwaddr);
}
