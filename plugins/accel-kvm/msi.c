/* msi.c -- messages to local APICs in the kernel: sent one by one, or by eventfds (irqfd); the kernel's table of interrupts. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <backplane/loop.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "irqchip.h"

#define MESSAGES UINT64_C (0xfee00000)

/* --- routes ---------------------------------------------------------------------------------- */

static void
add_route (struct kvm_irq_routing *to, struct kvm_irq_routing_entry e)
{
  to->entries[to->nr++] = e;
}

static struct kvm_irq_routing_entry
pin_route (uint32_t gsi, uint32_t chip, uint32_t pin)
{
  return (struct kvm_irq_routing_entry) { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { .irqchip = chip, .pin = pin } };
}

static struct kvm_irq_routing_entry
message_route (uint32_t gsi, uint64_t address, uint32_t data)
{
  return (struct kvm_irq_routing_entry) { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
                                          .u.msi = { .address_lo = (uint32_t) address, .address_hi = (uint32_t) (address >> 32), .data = data } };
}

/* Our I/O APIC sends for itself; the kernel must know its level-triggered vectors, to tell when they are ended.  Masked ones too, which may be in service. */
static void
add_split_routes (KvmChips *c, struct kvm_irq_routing *to)
{
  BpX86IrqchipState state = { .struct_size = sizeof state };
  if (!c->ioapic.object)
    return;
  c->ioapic.iface->get_state (c->ioapic.object, &state);
  for (unsigned i = 0; i < N_IOAPIC_INPUTS; i++) {
    uint64_t e = state.ioapic.redirection[i];
    bool has_end = e & 1 << 15 && (e >> 8 & 7) <= 1;    /* level; fixed or lowest priority */
    uint64_t address = MESSAGES | e >> 56 << 12 | (e >> 11 & 1) << 2;
    if (has_end)
      add_route (to, message_route (GSI_SPLIT_IOAPIC + i, address, (uint32_t) (e & 0x7ff) | 3 << 14));
  }
}

static void
add_pin_routes (struct kvm_irq_routing *to)
{
  for (unsigned i = 0; i < N_I8259_INPUTS; i++)
    add_route (to, pin_route (GSI_I8259 + i, i < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, i & 7));
  for (unsigned i = 0; i < N_IOAPIC_INPUTS; i++)
    add_route (to, pin_route (GSI_IOAPIC + i, KVM_IRQCHIP_IOAPIC, i));
}

/* One call for all that changed since the last, and none when nothing did: each waits until no vCPU looks at the old table. */
bool
kvm_routes_commit (KvmChips *c)
{
  size_t most = sizeof *c->routes + (N_I8259_INPUTS + N_IOAPIC_INPUTS + c->fds->len) * sizeof c->routes->entries[0];
  struct kvm_irq_routing *routes = g_malloc0 (most);
  c->routes_stale = false;
  if (c->k->irqchip == KVM_IRQCHIP_KERNEL)
    add_pin_routes (routes);
  else
    add_split_routes (c, routes);
  for (guint i = 0; i < c->fds->len; i++) {
    const KvmMessageFd *m = &g_array_index (c->fds, KvmMessageFd, i);
    if (m->fd >= 0)
      add_route (routes, message_route (GSI_MESSAGES + i, m->address, m->data));
  }
  size_t size = sizeof *routes + routes->nr * sizeof routes->entries[0];
  if (c->routes && c->routes_size == size && memcmp (c->routes, routes, size) == 0) {
    g_free (routes);
    return true;
  }
  int r = kvm_ioctl (c->k->vm, KVM_SET_GSI_ROUTING, routes);
  if (r < 0)
    bp_warn (c->k, "KVM refuses a table of %u interrupts: %s", routes->nr, g_strerror (-r));
  g_free (c->routes);
  c->routes = r < 0 ? (g_free (routes), NULL) : routes;
  c->routes_size = size;
  return r >= 0;
}

static void
follow_routes (KvmChips *c)
{
  if (c->routes_stale)
    kvm_routes_commit (c);
}

/* --- one message ---------------------------------------------------------------------------------- */

static bool
message_send (void *self, uint64_t address, uint32_t data)
{
  Kvm *k = self;
  if (!k->chips || !k->chips->running || address >> 20 != MESSAGES >> 20)
    return false;
  if (data & 1 << 15)
    follow_routes (k->chips);   /* its end must be told of */
  struct kvm_msi m = { .address_lo = (uint32_t) address, .data = data };
  int r = kvm_ioctl (k->vm, KVM_SIGNAL_MSI, &m);
  if (r < 0 && r != -EPERM)     /* which is -1: nobody is addressed */
    bp_log_guest (k, "KVM does not send message 0x%" G_GINT64_MODIFIER "x = %08x: %s", address, data, g_strerror (-r));
  return r > 0;
}

/* --- eventfds -------------------------------------------------------------------------------------- */

static KvmMessageFd *fd_at (KvmChips *c, unsigned n) { return &g_array_index (c->fds, KvmMessageFd, n); }

static int
irqfd (KvmChips *c, unsigned n, bool assign)
{
  struct kvm_irqfd f = { .fd = (uint32_t) fd_at (c, n)->fd, .gsi = GSI_MESSAGES + n, .flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN };
  return kvm_ioctl (c->k->vm, KVM_IRQFD, &f);
}

/* For an eventfd that the kernel does not take: another of its interrupts has it already. */
static bool
on_signalled (void *user, GIOCondition condition)
{
  KvmChips *c = ((Kvm *) user)->chips;
  for (guint i = 0; c && i < c->fds->len; i++) {
    const KvmMessageFd *m = fd_at (c, i);
    GPollFD p = { .fd = m->fd, .events = G_IO_IN };
    uint64_t count;
    if (m->watch && g_poll (&p, 1, 0) == 1 && read (m->fd, &count, sizeof count) == sizeof count)
      bp_msi_send (bp_object_machine (c->k), m->address, m->data);
  }
  return true;
}

static void
assign (KvmChips *c, unsigned n)
{
  KvmMessageFd *m = fd_at (c, n);
  BpMachine *machine = bp_object_machine (c->k);
  int r = irqfd (c, n, true);
  m->assigned = r >= 0;
  if (m->assigned)
    return;
  bp_warn (c->k, "KVM does not wait for an eventfd of messages: %s; the main loop does", g_strerror (-r));
  m->watch = bp_loop_watch_fd (bp_loop_main (machine), machine, m->fd, G_IO_IN, on_signalled, c->k);
}

static void
withdraw (KvmChips *c, unsigned n)
{
  KvmMessageFd *m = fd_at (c, n);
  if (m->assigned)
    irqfd (c, n, false);
  if (m->watch)
    bp_loop_unwatch (bp_loop_main (bp_object_machine (c->k)), m->watch);
  m->assigned = false;
  m->watch = 0;
}

void
kvm_message_fds_resume (KvmChips *c)
{
  follow_routes (c);
  for (guint i = 0; i < c->fds->len; i++)
    if (fd_at (c, i)->fd >= 0 && !fd_at (c, i)->assigned && !fd_at (c, i)->watch)
      assign (c, i);
}

/* What they count from now on is sent once they are resumed. */
void
kvm_message_fds_suspend (KvmChips *c)
{
  for (guint i = 0; i < c->fds->len; i++)
    if (fd_at (c, i)->fd >= 0)
      withdraw (c, i);
}

void
kvm_message_fds_finish (KvmChips *c)
{
  kvm_message_fds_suspend (c);
  g_array_unref (c->fds);
  g_clear_pointer (&c->routes, g_free);
}

static void
settle (void *user)
{
  KvmChips *c = ((Kvm *) user)->chips;
  if (!c)
    return;
  c->settling = false;
  if (c->running)
    kvm_message_fds_resume (c);
}

/* A guest sets many vectors up one after the other: the kernel hears of them together, soon.  Until then the eventfds count. */
static void
settle_soon (KvmChips *c)
{
  BpMachine *machine = bp_object_machine (c->k);
  c->routes_stale = true;
  if (c->settling)
    return;
  c->settling = true;
  bp_loop_post (bp_loop_main (machine), true, machine, settle, c->k);
}

static unsigned
message_attach_fd (void *self, int fd, uint64_t address, uint32_t data)
{
  Kvm *k = self;
  KvmChips *c = k->chips;
  if (!c || address >> 20 != MESSAGES >> 20 || !kvm_has (k, KVM_CAP_IRQFD))
    return 0;
  guint n = 0;
  while (n < c->fds->len && fd_at (c, n)->fd >= 0)
    n++;
  if (GSI_MESSAGES + n >= (guint) kvm_has (k, KVM_CAP_IRQ_ROUTING))
    return 0;
  if (n == c->fds->len)
    g_array_set_size (c->fds, n + 1);
  *fd_at (c, n) = (KvmMessageFd) { .fd = fd, .address = address, .data = data };
  settle_soon (c);
  return n + 1;
}

/* What is signalled after this is the new message. */
static bool
message_change_fd (void *self, unsigned number, uint64_t address, uint32_t data)
{
  KvmChips *c = ((Kvm *) self)->chips;
  if (!c || number == 0 || number > c->fds->len || address >> 20 != MESSAGES >> 20)
    return false;
  KvmMessageFd *m = fd_at (c, number - 1);
  m->address = address;
  m->data = data;
  c->routes_stale = true;
  if (m->assigned)
    follow_routes (c);
  return true;
}

static void
message_detach_fd (void *self, unsigned number)
{
  KvmChips *c = ((Kvm *) self)->chips;
  if (!c || number == 0 || number > c->fds->len)
    return;
  withdraw (c, number - 1);
  fd_at (c, number - 1)->fd = -1;
  c->routes_stale = true;
}

const BpMsiIface kvm_msi_iface = {
  .struct_size = sizeof kvm_msi_iface, .send = message_send, .attach_fd = message_attach_fd, .change_fd = message_change_fd,
  .detach_fd = message_detach_fd
};
