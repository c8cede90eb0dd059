/* ide-isa.c -- an IDE adapter on the ISA bus: two channels of plain ports, without DMA. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include "hw-pc.h"
#include "ide-channel.h"

typedef struct IsaIde {
  IdeAdapter adapter;           /* first */
  BpRegion *commands[IDE_N_CHANNELS], *controls[IDE_N_CHANNELS];
} IsaIde;

static bool
isa_configure (void *self, GError **error)
{
  ide_adapter_init (self);
  return true;
}

static void isa_reset (void *self, BpResetKind kind) { ide_adapter_reset (self); }

static bool
isa_post_load (void *self, GError **error)
{
  ide_adapter_post_load (self);
  return true;
}

static const BpProperty isa_properties[] = { IDE_ADAPTER_PROPERTIES (IsaIde), BP_PROP_END };

static const BpRegionDesc isa_regions[] = {
  BP_REGION_DESC ("pio0", IsaIde, commands[0], &ide_command_ops[0], 8, "Channel 0's command block, 0x1f0 on most boards."),
  BP_REGION_DESC ("pio1", IsaIde, controls[0], &ide_control_ops[0], 1, "Channel 0's device control, 0x3f6."),
  BP_REGION_DESC ("pio2", IsaIde, commands[1], &ide_command_ops[1], 8, "Channel 1's command block, 0x170; leave it unmapped on a board with one channel."),
  BP_REGION_DESC ("pio3", IsaIde, controls[1], &ide_control_ops[1], 1, "Channel 1's device control, 0x376."),
  BP_REGION_DESC_END
};

static const BpPinDesc isa_pins[] = {
  BP_PIN_DESC_OUT ("irq14", IsaIde, adapter.channels[0].irq, 0, "Channel 0's interrupt."),
  BP_PIN_DESC_OUT ("irq15", IsaIde, adapter.channels[1].irq, 0, "Channel 1's interrupt."), BP_PIN_DESC_END
};

static const BpInterfaceDesc isa_interfaces[] = { { BP_ATA_BUS_ID, &ide_bus_iface }, { NULL, NULL } };

static const BpStateField isa_state[] = {
  BP_STATE_FIELD_STRUCTS (IsaIde, adapter.channels, IDE_N_CHANNELS, ide_channel_state), BP_STATE_END
};

const BpTypeDesc isa_ide_type = {
  BP_TYPE ("isa-ide", BP_KIND_DEVICE, IsaIde),
  .description = "IDE adapter on the ISA bus: two channels, no DMA",
  .properties = isa_properties,
  .regions = isa_regions,
  .pins = isa_pins,
  .interfaces = isa_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = isa_state,
  .configure = isa_configure,
  .reset = isa_reset,
  .post_load = isa_post_load,
};
