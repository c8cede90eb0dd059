/* net.c -- virtio network device (VIRTIO 1.2, 5.1): features, configuration, link; net-packet.c and net-control.c serve its queues. */
/* SPDX-License-Identifier: MIT */
#include "net.h"
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include <stdio.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 1, CONTROL_ENTRIES = 64 };

typedef struct Config {         /* 5.1.4, little-endian */
  uint8_t mac[NET_ADDRESS_SIZE];
  uint16_t status, pairs_most, mtu;
} Config;
enum { CONFIG_SIZE = 12 };

static uint64_t
features_of (const VirtioNet *n)
{
  uint64_t f = NET_BIT (NET_MAC) | NET_BIT (NET_STATUS) | NET_BIT (NET_CTRL_VQ) | NET_BIT (NET_CTRL_RX) | NET_BIT (NET_CTRL_VLAN) | NET_BIT (NET_CTRL_RX_EXTRA)
               | NET_BIT (NET_GUEST_ANNOUNCE) | NET_BIT (NET_CTRL_MAC_ADDR);
  if (n->offload)
    f |= NET_BIT (NET_CSUM) | NET_BIT (NET_HOST_TSO4) | NET_BIT (NET_HOST_TSO6) | NET_BIT (NET_HOST_ECN) | NET_BIT (NET_HOST_USO) | NET_GUEST_OFFLOADS
         | NET_BIT (NET_CTRL_GUEST_OFFLOADS);
  if (n->mergeable)
    f |= NET_BIT (NET_MRG_RXBUF);
  if (n->mtu)
    f |= NET_BIT (NET_MTU);
  if (n->pairs_most > 1)
    f |= NET_BIT (NET_MQ);
  return f;
}

/* --- its address ------------------------------------------------------------------ */

/* Locally administered, and the same in each run of the same machine. */
static void
make_address (const VirtioNet *n, uint8_t *mac)
{
  const char *machine = bp_machine_description (bp_object_machine (n));
  g_autofree char *name = g_strdup_printf ("%s/%s", machine ? machine : "", bp_object_id (n));
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
  mac[0] = 0x02;
  for (unsigned i = 1; i < NET_ADDRESS_SIZE; i++)
    mac[i] = (uint8_t) (g_ascii_xdigit_value (sum[2 * i]) << 4 | g_ascii_xdigit_value (sum[2 * i + 1]));
}

static bool
parse_address (const char *text, uint8_t *mac)
{
  unsigned b[NET_ADDRESS_SIZE];
  int end = 0;
  if (sscanf (text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != NET_ADDRESS_SIZE || text[end])
    return false;
  for (unsigned i = 0; i < NET_ADDRESS_SIZE; i++)
    mac[i] = (uint8_t) b[i];
  return !(mac[0] & 1);
}

/* Before a driver says anything. */
static void
set_defaults (VirtioNet *n)
{
  net_filter_reset (&n->filter);
  n->pairs = 1;
  n->guest_offloads = NET_GUEST_OFFLOADS;
  n->announce = n->moved = false;
  if (!n->mac_text || !parse_address (n->mac_text, n->mac))
    make_address (n, n->mac);
}

/* --- guest access ----------------------------------------------------------------- */

static void
config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  const VirtioNet *n = self;
  Config c = { .pairs_most = GUINT16_TO_LE ((uint16_t) n->pairs_most), .mtu = GUINT16_TO_LE ((uint16_t) n->mtu) };
  uint16_t status = (uint16_t) ((n->link_up ? NET_STATUS_LINK_UP : 0) | (n->announce ? NET_STATUS_ANNOUNCE : 0));
  G_STATIC_ASSERT (sizeof c == CONFIG_SIZE);
  memcpy (c.mac, n->mac, sizeof c.mac);
  c.status = GUINT16_TO_LE (status);
  memcpy (bytes, (const uint8_t *) &c + offset, size);
}

/* Drivers of before 1.0 set the address here, byte by byte; later ones have a command. */
static void
config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  VirtioNet *n = self;
  if (offset + size > sizeof n->mac || net_has (n, NET_CTRL_MAC_ADDR))
    bp_log_guest (n, "a write of %u bytes at 0x%x of the configuration, where nothing can be written", size, offset);
  else
    memcpy (n->mac + offset, bytes, size);
}

/* 5.1.3.1: what each feature needs. */
static bool
accept_features (void *self, uint64_t features)
{
  static const struct { uint64_t feature, one_of; } needs[] = {
    { NET_BIT (NET_GUEST_TSO4) | NET_BIT (NET_GUEST_TSO6) | NET_BIT (NET_GUEST_USO4) | NET_BIT (NET_GUEST_USO6), NET_BIT (NET_GUEST_CSUM) },
    { NET_BIT (NET_GUEST_ECN), NET_BIT (NET_GUEST_TSO4) | NET_BIT (NET_GUEST_TSO6) },
    { NET_BIT (NET_HOST_TSO4) | NET_BIT (NET_HOST_TSO6) | NET_BIT (NET_HOST_USO), NET_BIT (NET_CSUM) },
    { NET_BIT (NET_HOST_ECN), NET_BIT (NET_HOST_TSO4) | NET_BIT (NET_HOST_TSO6) },
    { NET_BIT (NET_CTRL_RX) | NET_BIT (NET_CTRL_VLAN) | NET_BIT (NET_GUEST_ANNOUNCE) | NET_BIT (NET_MQ) | NET_BIT (NET_CTRL_MAC_ADDR)
        | NET_BIT (NET_CTRL_GUEST_OFFLOADS), NET_BIT (NET_CTRL_VQ) }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (needs); i++)
    if (features & needs[i].feature && !(features & needs[i].one_of)) {
      bp_log_guest (self, "features 0x%" G_GINT64_MODIFIER "x: some of them need others", features);
      return false;
    }
  set_defaults (self);
  return true;
}

static void
accept_input (const VirtioNet *n)
{
  const BpNetIface *t = n->backend.table;
  if (BP_TABLE_HAS (t, accept_input))
    t->accept_input (n->backend.instance);
}

static void
on_kick (void *self, unsigned queue)
{
  VirtioNet *n = self;
  if (net_has (n, NET_CTRL_VQ) && queue == net_control_queue (n))
    net_control (n);
  else if (queue >= 2 * n->pairs_most)
    return;
  else if (queue & 1)
    net_transmit (n, queue / 2);
  else
    accept_input (n);
}

/* --- events (backend, timer) ----------------------------------------------------------- */

static void
ask_for_announcement (VirtioNet *n)
{
  if (!net_has (n, NET_GUEST_ANNOUNCE))
    return;
  n->announce = true;
  net_bus (n)->config_changed (n->bus.instance, n->device);
}

static void
on_start (void *self)
{
  VirtioNet *n = self;
  enum { VERSION_1 = 32, OLD_HEADER = 10, HEADER = 12 };
  n->features = net_bus (n)->features (n->bus.instance, n->device);
  n->header_size = n->features & (NET_BIT (VERSION_1) | NET_BIT (NET_MRG_RXBUF)) ? HEADER : OLD_HEADER;
  net_tell_backend (n);
}

/* What the driver had set stays until it begins anew: a load comes by here as well, when that is there already. */
static void
on_stop (void *self)
{
  VirtioNet *n = self;
  n->features = 0;
  n->blocked = n->unfinished = 0;
  n->commanded = false;
  memset (n->flows, 0, sizeof n->flows);
  net_tell_backend (n);
  accept_input (n);             /* what waits for its buffers is for nobody now */
}

static void
transmit_all (VirtioNet *n, uint32_t pairs)
{
  for (unsigned i = 0; i < n->pairs_most; i++)
    if (pairs >> i & 1 && n->features)
      net_transmit (n, i);
}

static void
on_again (void *user)
{
  VirtioNet *n = user;
  if (n->moved)
    ask_for_announcement (n);
  n->moved = false;
  if (n->commanded)
    net_control (n);
  transmit_all (n, n->unfinished);
}

static void
on_can_send (void *user)
{
  transmit_all (user, ((VirtioNet *) user)->blocked);
}

static void
on_changed (void *user)
{
  VirtioNet *n = user;
  bool up = bp_net_info (&n->backend).link_up;
  if (up == n->link_up)
    return;
  n->link_up = up;
  if (net_has (n, NET_STATUS))
    net_bus (n)->config_changed (n->bus.instance, n->device);
}

/* --- life cycle: configure, realize, reset -------------------------------------------------- */

static bool
net_configure (void *self, GError **error)
{
  VirtioNet *n = self;
  uint8_t mac[NET_ADDRESS_SIZE];
  const char *wrong = n->mac_text && !parse_address (n->mac_text, mac)          ? "mac: six bytes, the first of them even (no group), such as 02:00:00:00:00:01"
                      : n->rx_entries & (n->rx_entries - 1) || n->tx_entries & (n->tx_entries - 1) ? "rx-entries, tx-entries: a queue has a power of two of them" : NULL;
  if (wrong)
    g_set_error_literal (error, BP_ERROR, BP_ERROR_PROPERTY, wrong);
  return !wrong;
}

static bool
net_realize (void *self, GError **error)
{
  static const BpNetHandlers handlers = { .struct_size = sizeof handlers, .receive = net_receive, .can_send = on_can_send, .changed = on_changed };
  VirtioNet *n = self;
  uint16_t sizes[2 * NET_PAIRS_MOST + 1];
  for (unsigned i = 0; i < 2 * n->pairs_most; i++)
    sizes[i] = (uint16_t) (i & 1 ? n->tx_entries : n->rx_entries);
  sizes[2 * n->pairs_most] = CONTROL_ENTRIES;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = 2 * n->pairs_most + 1, .queue_sizes = sizes, .features = features_of (n),
                         .config_size = CONFIG_SIZE, .self = n, .owner = n, .config_read = config_read, .config_written = config_written,
                         .accept_features = accept_features, .start = on_start, .stop = on_stop, .kick = on_kick };
  n->again = bp_timer_new (n, BP_CLOCK_VIRTUAL, on_again, n);
  n->rx = g_new0 (BpVirtioBuffer *, n->rx_entries);
  set_defaults (n);
  n->device = net_bus (n)->add (n->bus.instance, n->address, &f, error);
  if (!n->device)
    return false;
  n->attached = bp_net_attach (&n->backend, &handlers, n);
  if (!n->attached) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "backend = %s: another device has it", bp_object_id (n->backend.instance));
    return false;
  }
  n->link_up = bp_net_info (&n->backend).link_up;
  return true;
}

static void
net_unrealize (void *self)
{
  VirtioNet *n = self;
  if (n->attached)
    bp_net_attach (&n->backend, NULL, n);
  n->attached = false;
  if (n->device)
    net_bus (n)->remove (n->bus.instance, n->device);
  n->device = NULL;
  g_clear_pointer (&n->again, bp_timer_free);
  g_clear_pointer (&n->rx, g_free);
  g_clear_pointer (&n->iov, g_free);
}

static BpRemoval
net_removal (void *self, GError **error)
{
  VirtioNet *n = self;
  return bp_virtio_removal (&n->bus, n->device, error);
}

static void
net_reset (void *self, BpResetKind kind)
{
  VirtioNet *n = self;
  net_bus (n)->reset (n->bus.instance, n->device);
  bp_timer_cancel (n->again);
  set_defaults (n);
}

static bool
net_post_load (void *self, GError **error)
{
  VirtioNet *n = self;
  const NetFilter *f = &n->filter;
  if (!n->pairs || n->pairs > n->pairs_most || f->n_unicast + f->n_multicast > NET_ADDRESSES_MOST || n->guest_offloads & ~NET_GUEST_OFFLOADS) {
    g_set_error_literal (error, BP_ERROR, BP_ERROR_FAILED, "the saved state of the network device is one that it cannot have here");
    return false;
  }
  n->link_up = bp_net_info (&n->backend).link_up;
  net_tell_backend (n);
  if (!bp_machine_is_deterministic (bp_object_machine (n), NULL)) {      /* there it would be another run than the one that was saved */
    n->moved = true;
    bp_timer_arm (n->again, bp_clock_now (bp_object_machine (n), BP_CLOCK_VIRTUAL));
  }
  return true;
}

/* --- tables: properties, saved fields, type ---------------------------------------------------- */

static const BpProperty net_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (VirtioNet, bus, address),
  BP_PROP_LINK ("backend", VirtioNet, backend, BP_NET_ID, 0, "The network it is on; not given: no link."),
  BP_PROP_STRING ("mac", VirtioNet, mac_text, NULL,
                  "Its address; not given: a locally administered one that follows from the machine's description and the device's name, the same in each run."),
  BP_PROP_U32_RANGE ("queues", VirtioNet, pairs_most, 1, 1, NET_PAIRS_MOST, "Pairs of queues that the driver may use; one a processor is of use."),
  BP_PROP_U32_RANGE ("mtu", VirtioNet, mtu, 0, 0, 65521, "Bytes of payload in a frame that the driver is told to use; 0: it is told nothing, and uses 1500."),
  BP_PROP_BOOL ("offload", VirtioNet, offload, true, "Whether the driver may leave checksums and segments to the device, and gets packets of which they are left to it."),
  BP_PROP_BOOL ("mergeable", VirtioNet, mergeable, true, "Whether a large packet may arrive in several of the driver's buffers."),
  BP_PROP_U32_RANGE ("rx-entries", VirtioNet, rx_entries, 512, 16, 4096, "Entries of each receive queue at most: a power of two."),
  BP_PROP_U32_RANGE ("tx-entries", VirtioNet, tx_entries, 256, 16, 4096, "Entries of each transmit queue at most: a power of two."),
  BP_PROP_END
};
static const BpStateField filter_state[] = {
  BP_STATE_FIELD_BOOL (NetFilter, promiscuous), BP_STATE_FIELD_BOOL (NetFilter, all_multicast), BP_STATE_FIELD_BOOL (NetFilter, all_unicast),
  BP_STATE_FIELD_BOOL (NetFilter, no_multicast), BP_STATE_FIELD_BOOL (NetFilter, no_unicast), BP_STATE_FIELD_BOOL (NetFilter, no_broadcast),
  BP_STATE_FIELD_U8 (NetFilter, n_unicast), BP_STATE_FIELD_U8 (NetFilter, n_multicast), BP_STATE_FIELD_BOOL (NetFilter, more_unicast),
  BP_STATE_FIELD_BOOL (NetFilter, more_multicast), BP_STATE_FIELD_BYTES (NetFilter, addresses), BP_STATE_FIELD_BYTES (NetFilter, vlans), BP_STATE_END
};
static const BpStateField net_state[] = {
  BP_STATE_FIELD_BYTES (VirtioNet, mac), BP_STATE_FIELD_STRUCTS (VirtioNet, filter, 1, filter_state), BP_STATE_FIELD_U16 (VirtioNet, pairs),
  BP_STATE_FIELD_U64 (VirtioNet, guest_offloads), BP_STATE_FIELD_BOOL (VirtioNet, announce), BP_STATE_END
};

const BpTypeDesc virtio_net_type = {
  BP_TYPE ("virtio-net", BP_KIND_DEVICE, VirtioNet),
  .description = "Virtio network device",
  .properties = net_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = net_state,
  .configure = net_configure,
  .realize = net_realize,
  .unrealize = net_unrealize,
  .reset = net_reset,
  .post_load = net_post_load,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = net_removal,
};
