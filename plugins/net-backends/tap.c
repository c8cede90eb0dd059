/* tap.c -- net-tap: an interface of the host's kernel (Documentation/networking/tuntap). */
/* SPDX-License-Identifier: MIT */
#include "backend.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { QUEUES_MOST = 16, AT_ONCE = 64, PARTS = 256 };

#ifndef TUN_F_USO4              /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
enum { GSO_UDP_L4 = 5 };        /* VIRTIO 1.2, 5.1.6 */

typedef struct NetTap NetTap;

typedef struct TapQueue {
  NetTap *tap;
  unsigned index;
  int fd;                       /* + 1; 0: none */
  unsigned in_watch, out_watch;
  bool off;                     /* the guest does not use it */
} TapQueue;

struct NetTap {
  NetBackend net;
  /* wiring */
  char *ifname;
  int32_t given;                /* a descriptor that the program was started with */
  uint32_t n_queues;
  bool offload;
  /* derived */
  TapQueue queues[QUEUES_MOST];
  bool header;                  /* packets have a struct virtio_net_hdr before them */
  char name[IFNAMSIZ];
  uint8_t *frame;
};

/* --- from the kernel ----------------------------------------------------------------------- */

static uint32_t
work_of (const struct virtio_net_hdr *h)
{
  uint32_t work = (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? BP_NET_CHECKSUM : 0) | (h->flags & VIRTIO_NET_HDR_F_DATA_VALID ? BP_NET_CHECKED : 0)
                  | (h->gso_type & VIRTIO_NET_HDR_GSO_ECN ? BP_NET_ECN : 0);
  switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
  case VIRTIO_NET_HDR_GSO_TCPV4: return work | BP_NET_TCP4;
  case VIRTIO_NET_HDR_GSO_TCPV6: return work | BP_NET_TCP6;
  case GSO_UDP_L4: return work | BP_NET_UDP;
  default: return work;
  }
}

/* false: there is nothing. */
static bool
read_one (TapQueue *q)
{
  NetTap *t = q->tap;
  struct virtio_net_hdr h = { 0 };
  struct iovec in[] = { { &h, sizeof h }, { t->frame, PACKET_MOST } };
  size_t skip = t->header ? sizeof h : 0;
  ssize_t n = readv (q->fd - 1, t->header ? in : in + 1, t->header ? 2 : 1);
  if (n < (ssize_t) (skip + ETHERNET_HEADER))
    return n > 0;
  struct iovec iov = { t->frame, (size_t) n - skip };
  BpNetPacket p = { .struct_size = sizeof p, .work = work_of (&h), .iov = &iov, .n_iov = 1, .size = (uint32_t) iov.iov_len, .checksum_start = h.csum_start,
                    .checksum_offset = h.csum_offset, .header_size = h.hdr_len, .segment_size = h.gso_size, .queue = q->index };
  net_receive (t, &p);
  return true;
}

static bool
on_readable (void *user, GIOCondition condition)
{
  TapQueue *q = user;
  for (unsigned i = 0; i < AT_ONCE && !net_is_full (q->tap); i++)
    if (!read_one (q))
      break;
  bool more = !net_is_full (q->tap) && !(condition & (G_IO_ERR | G_IO_HUP));
  if (!more)
    q->in_watch = 0;
  if (condition & (G_IO_ERR | G_IO_HUP) && !q->tap->net.unplugged) {   /* each queue hears of it */
    bp_warn (q->tap, "the interface %s is gone; the link is down from now on", q->tap->name);
    net_set_cable (q->tap, false);
  }
  return more;
}

static BpLoop *loop_of (const NetTap *t) { return bp_loop_main (bp_object_machine (t)); }

static void
tap_wanted (void *self)
{
  NetTap *t = self;
  for (unsigned i = 0; i < t->n_queues; i++)
    if (t->queues[i].fd && !t->queues[i].in_watch && !t->net.unplugged)
      t->queues[i].in_watch = bp_loop_watch_fd (loop_of (t), bp_object_machine (t), t->queues[i].fd - 1, G_IO_IN, on_readable, &t->queues[i]);
}

/* --- to the kernel --------------------------------------------------------------------------- */

static bool
on_writable (void *user, GIOCondition condition)
{
  TapQueue *q = user;
  q->out_watch = 0;
  net_can_send (q->tap);
  return false;
}

static struct virtio_net_hdr
header_of (const BpNetPacket *p)
{
  struct virtio_net_hdr h = { .hdr_len = p->header_size, .gso_size = p->segment_size };
  if (p->work & BP_NET_CHECKSUM) {
    h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h.csum_start = p->checksum_start;
    h.csum_offset = p->checksum_offset;
  }
  h.gso_type = p->work & BP_NET_TCP4   ? VIRTIO_NET_HDR_GSO_TCPV4
               : p->work & BP_NET_TCP6 ? VIRTIO_NET_HDR_GSO_TCPV6
               : p->work & BP_NET_UDP  ? GSO_UDP_L4
                                       : VIRTIO_NET_HDR_GSO_NONE;
  if (p->work & BP_NET_ECN && h.gso_type)
    h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
  return h;
}

/* What the kernel refuses for another reason than that it is busy is lost, as on any network: an interface that is down, a packet that lies about itself. */
static bool
tap_send (void *self, const BpNetPacket *p)
{
  NetTap *t = self;
  TapQueue *asked = &t->queues[p->queue % t->n_queues], *q = asked->off ? &t->queues[0] : asked;
  struct virtio_net_hdr h = header_of (p);
  struct iovec iov[1 + PARTS] = { { &h, sizeof h } };
  unsigned n = p->n_iov;
  if (n <= PARTS) {
    memcpy (iov + 1, p->iov, n * sizeof *iov);
  } else {
    iov[1] = (struct iovec){ t->frame, packet_copy (p, t->frame, PACKET_MOST) };
    n = 1;
  }
  ssize_t done;
  do
    done = writev (q->fd - 1, t->header ? iov : iov + 1, (int) (t->header ? n + 1 : n));
  while (done < 0 && errno == EINTR);
  if (done >= 0 || errno != EAGAIN)
    return true;
  if (!q->out_watch)
    q->out_watch = bp_loop_watch_fd (loop_of (t), bp_object_machine (t), q->fd - 1, G_IO_OUT, on_writable, q);
  return false;
}

static void
tap_describe (void *self, BpNetInfo *info)
{
  const NetTap *t = self;
  info->queues = t->n_queues;
  g_snprintf (info->what, sizeof info->what, "tap, %s%s", t->name, t->header ? "" : ", without offloads");
}

static void
use_queues (NetTap *t, unsigned n)
{
  for (unsigned i = 1; i < t->n_queues; i++) {
    struct ifreq r = { .ifr_flags = i < n ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };
    if (t->queues[i].off == (i >= n))
      continue;
    if (ioctl (t->queues[i].fd - 1, TUNSETQUEUE, &r) == 0)
      t->queues[i].off = i >= n;
  }
}

/* The kernel leaves to us no more than the device takes. */
static void
tap_work_changed (void *self)
{
  NetTap *t = self;
  uint32_t w = t->net.work;
  unsigned long old = !(w & BP_NET_CHECKSUM) ? 0 : TUN_F_CSUM | (w & BP_NET_TCP4 ? TUN_F_TSO4 : 0) | (w & BP_NET_TCP6 ? TUN_F_TSO6 : 0)
                      | (w & BP_NET_ECN ? TUN_F_TSO_ECN : 0);
  unsigned long all = old | (old && w & BP_NET_UDP ? TUN_F_USO4 | TUN_F_USO6 : 0);
  if (t->header && ioctl (t->queues[0].fd - 1, TUNSETOFFLOAD, all) != 0)
    ioctl (t->queues[0].fd - 1, TUNSETOFFLOAD, old);
  use_queues (t, t->net.queues);
}

static const NetOps ops = { .describe = tap_describe, .send = tap_send, .wanted = tap_wanted, .work_changed = tap_work_changed };

/* --- opening ----------------------------------------------------------------------------------------- */

static bool
refuse (const NetTap *t, const char *what, int reason, GError **error)
{
  const char *name = t->ifname && *t->ifname ? t->ifname : "tap0";
  g_autofree char *help =
      reason == EPERM || reason == EACCES
          ? g_strdup_printf ("; the administrator gives it to you by `ip tuntap add %s mode tap user %s%s`, or run with CAP_NET_ADMIN", name, g_get_user_name (),
                             t->n_queues > 1 ? " multi_queue" : "")
      : reason == ENOENT || reason == ENODEV || reason == ENXIO ? g_strdup ("; the kernel's module `tun` is missing: `modprobe tun`, or in a container the device node")
      : reason == EBUSY  ? g_strdup ("; another program has this interface")
      : reason == EINVAL ? g_strdup_printf ("; an interface that is there must be of the same kind (tap%s)", t->n_queues > 1 ? ", multi_queue" : ", without multi_queue")
                         : g_strdup ("");
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s%s", what, g_strerror (reason), help);
  return false;
}

static bool
open_queue (NetTap *t, TapQueue *q, GError **error)
{
  struct ifreq r = { .ifr_flags = (short) (IFF_TAP | IFF_NO_PI | (t->offload ? IFF_VNET_HDR : 0) | (t->n_queues > 1 ? IFF_MULTI_QUEUE : 0)) };
  const char *name = t->name[0] ? t->name : t->ifname ? t->ifname : "";
  int fd = open ("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && errno == EACCES) {
    g_set_error_literal (error, BP_ERROR, BP_ERROR_IO, "/dev/net/tun: Permission denied; its mode is the administrator's: `chmod 0666 /dev/net/tun`, as most systems have it");
    return false;
  }
  if (fd < 0)
    return refuse (t, "/dev/net/tun", errno, error);
  q->fd = fd + 1;
  g_strlcpy (r.ifr_name, name, sizeof r.ifr_name);
  if (ioctl (fd, TUNSETIFF, &r) != 0) {
    g_autofree char *what = g_strdup_printf ("ifname = %s", *name ? name : "(any)");
    return refuse (t, what, errno, error);
  }
  g_strlcpy (t->name, r.ifr_name, sizeof t->name);
  t->header = t->offload;
  return true;
}

static bool
take_given (NetTap *t, GError **error)
{
  struct ifreq r = { 0 };
  int size = sizeof (struct virtio_net_hdr), fd = fcntl (t->given, F_DUPFD_CLOEXEC, 0);
  g_autofree char *what = g_strdup_printf ("fd = %d", t->given);
  if (fd < 0)
    return refuse (t, what, errno, error);
  t->queues[0].fd = fd + 1;
  if (ioctl (fd, TUNGETIFF, &r) != 0 || (r.ifr_flags & (IFF_TAP | IFF_NO_PI)) != (IFF_TAP | IFF_NO_PI)) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: this is no tap interface that was opened with IFF_TAP and IFF_NO_PI", what);
    return false;
  }
  g_strlcpy (t->name, r.ifr_name, sizeof t->name);
  t->header = r.ifr_flags & IFF_VNET_HDR;
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  return !t->header || ioctl (fd, TUNSETVNETHDRSZ, &size) == 0 || refuse (t, what, errno, error);
}

static bool
tap_configure (void *self, GError **error)
{
  NetTap *t = self;
  const char *wrong = t->given >= 0 && t->ifname    ? "fd and ifname: one of them says which interface"
                      : t->given >= 0 && t->n_queues > 1 ? "queues: a given descriptor is one queue"
                      : t->ifname && (strlen (t->ifname) >= IFNAMSIZ || strchr (t->ifname, '/')) ? "ifname: an interface's name has up to 15 characters" : NULL;
  if (wrong)
    g_set_error_literal (error, BP_ERROR, BP_ERROR_PROPERTY, wrong);
  return !wrong;
}

static bool
tap_realize (void *self, GError **error)
{
  NetTap *t = self;
  t->frame = g_malloc (PACKET_MOST);
  if (!net_realize (t, &ops, error))
    return false;
  for (unsigned i = 0; i < t->n_queues; i++) {
    t->queues[i].tap = t;
    t->queues[i].index = i;
    if (!(t->given >= 0 ? take_given (t, error) : open_queue (t, &t->queues[i], error)))
      return false;
  }
  t->net.takes = t->header ? BP_NET_CHECKSUM | BP_NET_TCP4 | BP_NET_TCP6 | BP_NET_ECN : 0;
  if (t->header && ioctl (t->queues[0].fd - 1, TUNSETOFFLOAD, (unsigned long) (TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6)) == 0)
    t->net.takes |= BP_NET_UDP; /* a kernel that knows such packets */
  tap_work_changed (t);
  return true;
}

static void
tap_unrealize (void *self)
{
  NetTap *t = self;
  for (unsigned i = 0; i < QUEUES_MOST; i++) {
    TapQueue *q = &t->queues[i];
    if (q->in_watch)
      bp_loop_unwatch (loop_of (t), q->in_watch);
    if (q->out_watch)
      bp_loop_unwatch (loop_of (t), q->out_watch);
    if (q->fd)
      close (q->fd - 1);
    memset (q, 0, sizeof *q);
  }
  g_clear_pointer (&t->frame, g_free);
  net_finish (t);
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_STRING ("ifname", NetTap, ifname, NULL, "The interface's name; it is made when it is not there, which needs CAP_NET_ADMIN.  Not given: a new one, tap0 or the next that is free."),
  BP_PROP_ ("fd", BP_PROPERTY_I32, NetTap, given, .default_int = (uint64_t) -1, .min = (uint64_t) -1, .max = G_MAXINT32,
            .help = "A descriptor of an open tap interface that the program was started with; -1: none."),
  BP_PROP_U32_RANGE ("queues", NetTap, n_queues, 1, 1, QUEUES_MOST, "Pairs of queues; more than one: the interface is a multi_queue one."),
  BP_PROP_BOOL ("offload", NetTap, offload, true, "Whether checksums and segments are left to the host's kernel; off: they are done here."),
  NET_PROPERTIES (NetTap),
  BP_PROP_END
};
static const BpStateField state[] = { NET_STATE (NetTap), BP_STATE_END };

const BpTypeDesc net_tap_type = {
  BP_TYPE ("net-tap", BP_KIND_BACKEND, NetTap),
  .description = "a tap interface of the host's kernel",
  .properties = properties,
  .interfaces = net_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .configure = tap_configure,
  .realize = tap_realize,
  .unrealize = tap_unrealize,
};
