/* interfaces.c -- the interfaces that the headers of this ABI define, and the functions without which a table of each is none. */
/* SPDX-License-Identifier: MIT */
/*
 * Whoever uses an interface asks for what its header says may be missing (BP_TABLE_HAS), and calls the rest.  A table that lacks some of the rest would end the
 * process when a guest gets there, so a type with such a table is refused instead.
 */
#include "object.h"
#include <backplane/arch/x86-irqchip.h>
#include <backplane/arch/x86-state.h>
#include <backplane/bus/ata.h>
#include <backplane/bus/memory-slots.h>
#include <backplane/bus/pci.h>
#include <backplane/bus/virtio.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/acpi.h>
#include <backplane/iface/balloon.h>
#include <backplane/iface/block.h>
#include <backplane/iface/boot.h>
#include <backplane/iface/char.h>
#include <backplane/iface/cmos.h>
#include <backplane/iface/console.h>
#include <backplane/iface/cpu-debug.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/image-tool.h>
#include <backplane/iface/input.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/isa-dma.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/iface/msi.h>
#include <backplane/iface/net.h>
#include <backplane/iface/power.h>
#include <backplane/iface/screen.h>
#include <backplane/iface/symbols.h>
#include <backplane/iface/terminal.h>
#include <backplane/iface/tone.h>
#include <backplane/tcg/frontend.h>
#include <backplane/tcg/instrument-host.h>
#include <string.h>

typedef struct Function {
  size_t at;                    /* in the table */
  const char *name;
} Function;

typedef struct Interface {
  const char *id;
  size_t with;                  /* what follows is needed by a table that has the function here; 0: by each */
  Function needs[14];
} Interface;

#define F(table, member) { offsetof (table, member), #member }
#define NONE { { 0, NULL } }
static const Interface interfaces[] = {
  { BP_ACCEL_ID, 0, NONE },
  { BP_ACPI_ID, 0, NONE },
  { BP_ATA_BUS_ID, 0, { F (BpAtaBusIface, add), F (BpAtaBusIface, remove), F (BpAtaBusIface, set_interrupt), F (BpAtaBusIface, has_dma),
      F (BpAtaBusIface, request_dma), F (BpAtaBusIface, dma_map), F (BpAtaBusIface, dma_unmap) } },
  { BP_BALLOON_ID, 0, { F (BpBalloonIface, is_active), F (BpBalloonIface, actual), F (BpBalloonIface, set_target), F (BpBalloonIface, statistics) } },
  { BP_BLOCK_ID, 0, { F (BpBlockIface, submit) } },
  { BP_BLOCK_ID, offsetof (BpBlockIface, vm_state_read), { F (BpBlockIface, snapshots), F (BpBlockIface, snapshot_list), F (BpBlockIface, snapshot_do),
      F (BpBlockIface, vm_state_clear), F (BpBlockIface, vm_state_write) } },
  { BP_BLOCK_ID, offsetof (BpBlockIface, batch_begin), { F (BpBlockIface, batch_end) } },
  { BP_BLOCK_ID, offsetof (BpBlockIface, release), { F (BpBlockIface, take) } },
  { BP_BOOT_ID, 0, NONE },
  { BP_CHAR_ID, 0, NONE },
  { BP_CMOS_ID, 0, NONE },
  { BP_CONSOLE_ID, 0, NONE },
  { BP_CPU_DEBUG_ID, 0, { F (BpCpuDebugIface, view), F (BpCpuDebugIface, reg), F (BpCpuDebugIface, get_register), F (BpCpuDebugIface, set_register),
      F (BpCpuDebugIface, description), F (BpCpuDebugIface, where), F (BpCpuDebugIface, translate), F (BpCpuDebugIface, read_memory),
      F (BpCpuDebugIface, write_memory) } },
  { BP_FIRMWARE_CONFIG_ID, 0, NONE },
  { BP_IMAGE_TOOL_ID, 0, NONE },
  { BP_INPUT_ID, 0, NONE },
  { BP_INSTRUMENT_HOST_ID, 0, { F (BpInstrumentHost, attach), F (BpInstrumentHost, detach), F (BpInstrumentHost, set_running),
      F (BpInstrumentHost, is_running), F (BpInstrumentHost, select), F (BpInstrumentHost, flush), F (BpInstrumentHost, n_vcpus) } },
  { BP_INSTRUMENT_HOST_ID, 0, { F (BpInstrumentHost, block_n_insns), F (BpInstrumentHost, block_insn), F (BpInstrumentHost, block_count),
      F (BpInstrumentHost, block_count_memory), F (BpInstrumentHost, block_call), F (BpInstrumentHost, block_call_memory), F (BpInstrumentHost, block_record),
      F (BpInstrumentHost, block_store_immediate), F (BpInstrumentHost, counter_new), F (BpInstrumentHost, scoreboard_new), F (BpInstrumentHost, counter_at),
      F (BpInstrumentHost, counter_get), F (BpInstrumentHost, filter_new), F (BpInstrumentHost, filter_clear) } },
  { BP_INSTRUMENT_HOST_ID, 0, { F (BpInstrumentHost, sites), F (BpInstrumentHost, disassemble), F (BpInstrumentHost, registers), F (BpInstrumentHost, symbol),
      F (BpInstrumentHost, read_register), F (BpInstrumentHost, write_register), F (BpInstrumentHost, read_memory), F (BpInstrumentHost, write_memory),
      F (BpInstrumentHost, read_physical), F (BpInstrumentHost, write_physical), F (BpInstrumentHost, translate), F (BpInstrumentHost, space) } },
  { BP_INTERRUPT_CONTROLLER_ID, offsetof (BpInterruptControllerIface, apic_base_read), { F (BpInterruptControllerIface, apic_base_write) } },
  { BP_INTERRUPT_CONTROLLER_ID, offsetof (BpInterruptControllerIface, msr_write), { F (BpInterruptControllerIface, msr_read) } },
  { BP_INTERRUPT_CONTROLLER_ID, offsetof (BpInterruptControllerIface, deadline_write), { F (BpInterruptControllerIface, deadline_read) } },
  { BP_ISA_DMA_ID, 0, NONE },
  { BP_MEMORY_BACKEND_ID, 0, { F (BpMemoryBackendIface, region), F (BpMemoryBackendIface, size) } },
  { BP_MEMORY_DEVICE_ID, 0, NONE },
  { BP_MEMORY_SLOTS_ID, 0, { F (BpMemorySlotsIface, plug), F (BpMemorySlotsIface, unplug) } },
  { BP_MSI_ID, offsetof (BpMsiIface, attach_fd), { F (BpMsiIface, change_fd), F (BpMsiIface, detach_fd) } },
  { BP_NET_ID, 0, NONE },
  { BP_PCI_BUS_ID, 0, { F (BpPciBusIface, add), F (BpPciBusIface, remove), F (BpPciBusIface, config), F (BpPciBusIface, write_mask),
      F (BpPciBusIface, set_interrupt), F (BpPciBusIface, dma), F (BpPciBusIface, reset), F (BpPciBusIface, space) } },
  { BP_PCI_BUS_ID, offsetof (BpPciBusIface, hot_plug), { F (BpPciBusIface, ask) } },
  { BP_PCI_BUS_ID, offsetof (BpPciBusIface, add_msix), { F (BpPciBusIface, add_capability), F (BpPciBusIface, n_messages), F (BpPciBusIface, message) } },
  { BP_POWER_BUTTON_ID, 0, NONE },
  { BP_SCREEN_ID, offsetof (BpScreenIface, heads), { F (BpScreenIface, update_head) } },
  { BP_SYMBOLS_ID, 0, NONE },
  { BP_TCG_FRONTEND_ID, 0, { F (BpTcgFrontend, key), F (BpTcgFrontend, fetch_mmu_index), F (BpTcgFrontend, translate), F (BpTcgFrontend, restore),
      F (BpTcgFrontend, tlb_fill), F (BpTcgFrontend, deliver), F (BpTcgFrontend, interrupt), F (BpTcgFrontend, wakes), F (BpTcgFrontend, is_halted),
      F (BpTcgFrontend, host_fault), F (BpTcgFrontend, disassemble), F (BpTcgFrontend, dump) } },
  { BP_TERMINAL_ID, 0, NONE },
  { BP_TONE_ID, 0, NONE },
  { BP_VIRTIO_BUS_ID, 0, { F (BpVirtioBusIface, add), F (BpVirtioBusIface, remove), F (BpVirtioBusIface, reset), F (BpVirtioBusIface, features),
      F (BpVirtioBusIface, pop), F (BpVirtioBusIface, push), F (BpVirtioBusIface, unpop), F (BpVirtioBusIface, notify), F (BpVirtioBusIface, want_kicks),
      F (BpVirtioBusIface, has_buffers), F (BpVirtioBusIface, config_changed), F (BpVirtioBusIface, broken), F (BpVirtioBusIface, dma) } },
  { BP_VIRTIO_BUS_ID, offsetof (BpVirtioBusIface, ring_take), { F (BpVirtioBusIface, ring_give) } },
  { BP_X86_CPU_ID, 0, { F (BpX86CpuIface, get_state), F (BpX86CpuIface, set_state), F (BpX86CpuIface, get_msr), F (BpX86CpuIface, set_msr),
      F (BpX86CpuIface, cpuid) } },
  { BP_X86_IRQCHIP_ID, 0, { F (BpX86IrqchipIface, take_over), F (BpX86IrqchipIface, get_state), F (BpX86IrqchipIface, set_state) } },
};
#undef F
#undef NONE

bool
interface_is_ours (const char *id)
{
  for (size_t i = 0; i < G_N_ELEMENTS (interfaces); i++)
    if (strcmp (interfaces[i].id, id) == 0)
      return true;
  return false;
}

char *
interface_id_verdict (const char *id)
{
  const char *names[G_N_ELEMENTS (interfaces) + 1] = { NULL };
  if (!g_str_has_prefix (id, "bp.") || interface_is_ours (id))
    return NULL;
  for (size_t i = 0; i < G_N_ELEMENTS (interfaces); i++)
    names[i] = interfaces[i].id;
  const char *nearest = nearest_name (id, names);
  return g_strdup_printf ("there is no interface `%s`%s%s%s; one of your own begins with your domain, reversed", id, nearest ? " (did you mean `" : "", nearest ? nearest : "",
                          nearest ? "`?)" : "");
}

static bool
has (const void *table, size_t at)
{
  const uint32_t *struct_size = table;
  void (*function) (void) = NULL;
  if (*struct_size >= at + sizeof function)
    memcpy (&function, (const char *) table + at, sizeof function);
  return function != NULL;
}

static const char *
lacking (const Interface *i, const void *table)
{
  for (const Function *f = i->needs; f < i->needs + G_N_ELEMENTS (i->needs) && f->name; f++)
    if ((!i->with || has (table, i->with)) && !has (table, f->at))
      return f->name;
  return NULL;
}

char *
interface_verdict (const BpInterfaceDesc *interface)
{
  /* the least that the smallest of all has: whoever forgets struct_size has a table in which nobody finds anything */
  enum { LEAST = 2 * sizeof (void *) };
  for (const Interface *i = interfaces; i < interfaces + G_N_ELEMENTS (interfaces); i++) {
    if (strcmp (i->id, interface->id) != 0)
      continue;
    const uint32_t *struct_size = interface->table;
    if (struct_size && *struct_size < LEAST)
      return g_strdup_printf ("interface `%s`: its table has a struct_size of %u, which is to be the sizeof of its type", i->id, *struct_size);
    const char *name = interface->table ? lacking (i, interface->table) : "table";
    if (name)
      return g_strdup_printf ("interface `%s` has no `%s`", i->id, name);
  }
  return NULL;
}
