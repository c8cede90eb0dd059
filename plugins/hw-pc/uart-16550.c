/* uart-16550.c -- National Semiconductor PC16550D (June 1995): registers, FIFOs, one interrupt pin. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/char.h>
#include <backplane/object.h>
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum { REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };
enum { IER_RECEIVE = 1, IER_TRANSMIT = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_TRANSMIT = 2, IIR_RECEIVE = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFOS = 0xc0 };
enum { FCR_ENABLE = 1, FCR_RECEIVE_RESET = 2, FCR_TRANSMIT_RESET = 4 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16 };
enum { LSR_READY = 1, LSR_OVERRUN = 2, LSR_BREAK = 16, LSR_THRE = 32, LSR_IDLE = 64 };
enum { MSR_CTS = 16, MSR_DSR = 32, MSR_RI = 64, MSR_DCD = 128 };

#define FIFO_SIZE 16

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Uart {
  uint8_t fifo[FIFO_SIZE];
  uint8_t fifo_head, fifo_count;
  uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
  uint16_t divisor;
  bool transmit_pending;        /* the "holding register empty" interrupt has not been read yet */
  bool timeout_pending;         /* characters below the trigger level have waited */
  BpTimer *timeout;
  BpLink backend;
  BpPin *irq;
  BpRegion *regs;
  uint32_t clock_hz;
} Uart;

static const uint8_t trigger_levels[4] = { 1, 4, 8, 14 };

static bool has_fifos (const Uart *u) { return u->fcr & FCR_ENABLE; }
static unsigned capacity (const Uart *u) { return has_fifos (u) ? FIFO_SIZE : 1; }
static unsigned trigger (const Uart *u) { return has_fifos (u) ? trigger_levels[u->fcr >> 6] : 1; }

/* --- interrupt ------------------------------------------------------------------ */

static uint8_t
pending_interrupt (const Uart *u)
{
  if (u->ier & IER_LINE && u->lsr & (LSR_OVERRUN | LSR_BREAK))
    return IIR_LINE;
  if (u->ier & IER_RECEIVE && u->fifo_count >= trigger (u))
    return IIR_RECEIVE;
  if (u->ier & IER_RECEIVE && u->timeout_pending && u->fifo_count)
    return IIR_TIMEOUT;
  if (u->ier & IER_TRANSMIT && u->transmit_pending)
    return IIR_TRANSMIT;
  if (u->ier & IER_MODEM && u->msr & 0x0f)
    return IIR_MODEM;
  return IIR_NONE;
}

static void
update_irq (Uart *u)
{
  bp_pin_set (u->irq, pending_interrupt (u) != IIR_NONE);
}

/* Time of one character at the programmed rate, in ns (10 bits). */
static int64_t
character_time (const Uart *u)
{
  return (int64_t) bp_muldiv ((uint64_t) (u->divisor ? u->divisor : 1) * 16 * 10, (uint32_t) BP_NS_PER_SECOND, u->clock_hz);
}

/* --- events (input, timers) ------------------------------------------------------- */

static void
push (Uart *u, uint8_t byte)
{
  if (u->fifo_count == capacity (u)) {
    u->lsr |= LSR_OVERRUN;
    if (!has_fifos (u))         /* the newer character takes the register; in FIFO mode it is the one that is lost */
      u->fifo[u->fifo_head] = byte;
    return;
  }
  u->fifo[(u->fifo_head + u->fifo_count++) % FIFO_SIZE] = byte;
  u->lsr |= LSR_READY;
  if (has_fifos (u) && u->fifo_count < trigger (u))
    bp_timer_arm (u->timeout, bp_clock_now (bp_object_machine (u), BP_CLOCK_VIRTUAL) + 4 * character_time (u));
}

static void
on_timeout (void *user)
{
  Uart *u = user;
  u->timeout_pending = true;
  update_irq (u);
}

static size_t
can_receive (void *user)
{
  Uart *u = user;
  return u->mcr & MCR_LOOP ? 0 : capacity (u) - u->fifo_count;
}

static void
receive (void *user, const uint8_t *data, size_t size)
{
  Uart *u = user;
  for (size_t i = 0; i < size; i++)
    push (u, data[i]);
  update_irq (u);
}

static void
on_event (void *user, BpCharEvent event)
{
  Uart *u = user;
  if (event == BP_CHAR_BREAK) {
    u->lsr |= LSR_BREAK;
    push (u, 0);
    update_irq (u);
  }
}

static const BpCharHandlers handlers = {
  .struct_size = sizeof (BpCharHandlers), .can_receive = can_receive, .receive = receive, .event = on_event
};

/* --- guest access -------------------------------------------------------------------- */

/* The line is taken to be infinitely fast: a byte is gone as soon as it is written. */
static void
transmit (Uart *u, uint8_t byte)
{
  if (u->mcr & MCR_LOOP)
    push (u, byte);
  else
    bp_char_write (&u->backend, &byte, 1);
  u->lsr |= LSR_THRE | LSR_IDLE;
  u->transmit_pending = true;
}

static uint8_t
receive_register (Uart *u)
{
  uint8_t byte = 0;
  if (u->fifo_count) {
    byte = u->fifo[u->fifo_head];
    u->fifo_head = (uint8_t) ((u->fifo_head + 1) % FIFO_SIZE);
    u->fifo_count--;
  }
  u->timeout_pending = false;
  if (!u->fifo_count) {
    u->lsr &= (uint8_t) ~LSR_READY;
    bp_timer_cancel (u->timeout);
  } else if (has_fifos (u))
    bp_timer_arm (u->timeout, bp_clock_now (bp_object_machine (u), BP_CLOCK_VIRTUAL) + 4 * character_time (u));
  bp_char_accept_input (&u->backend);
  return byte;
}

static uint8_t
modem_status (const Uart *u)
{
  if (!(u->mcr & MCR_LOOP))
    return u->msr;
  return (uint8_t) ((u->msr & 0x0f) | (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) | (u->mcr & MCR_OUT1 ? MSR_RI : 0)
                    | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void
write_mcr (Uart *u, uint8_t value)
{
  uint8_t before = modem_status (u);
  u->mcr = value & 0x1f;
  uint8_t changed = (uint8_t) (before ^ modem_status (u));
  if (u->mcr & MCR_LOOP || before != modem_status (u))
    u->msr |= (uint8_t) ((changed >> 4 & 0x0b) | (before & ~modem_status (u) & MSR_RI ? 4 : 0));
  if (!(u->mcr & MCR_LOOP))
    bp_char_accept_input (&u->backend);
}

static void
write_fcr (Uart *u, uint8_t value)
{
  if ((value ^ u->fcr) & FCR_ENABLE)
    value |= FCR_RECEIVE_RESET | FCR_TRANSMIT_RESET;
  if (value & FCR_RECEIVE_RESET) {
    u->fifo_head = u->fifo_count = 0;
    u->lsr &= (uint8_t) ~(LSR_READY | LSR_BREAK);
    u->timeout_pending = false;
    bp_timer_cancel (u->timeout);
    bp_char_accept_input (&u->backend);
  }
  u->fcr = value & FCR_ENABLE ? value & 0xc9 : 0;
}

static uint64_t
uart_read (void *self, uint64_t offset, unsigned size)
{
  Uart *u = self;
  uint8_t value = 0;
  switch (offset) {
  case REG_DATA:
    value = u->lcr & LCR_DLAB ? (uint8_t) u->divisor : receive_register (u);
    break;
  case REG_IER:
    value = u->lcr & LCR_DLAB ? (uint8_t) (u->divisor >> 8) : u->ier;
    break;
  case REG_IIR:
    value = pending_interrupt (u);
    if (value == IIR_TRANSMIT)
      u->transmit_pending = false;
    value |= has_fifos (u) ? IIR_FIFOS : 0;
    break;
  case REG_LCR:
    value = u->lcr;
    break;
  case REG_MCR:
    value = u->mcr;
    break;
  case REG_LSR:
    value = u->lsr;
    u->lsr &= (uint8_t) ~(LSR_OVERRUN | LSR_BREAK);
    break;
  case REG_MSR:
    value = modem_status (u);
    u->msr &= 0xf0;
    break;
  case REG_SCR:
    value = u->scr;
    break;
  }
  update_irq (u);
  return value;
}

static void
uart_write (void *self, uint64_t offset, uint64_t data, unsigned size)
{
  Uart *u = self;
  uint8_t value = (uint8_t) data;
  switch (offset) {
  case REG_DATA:
    if (u->lcr & LCR_DLAB)
      u->divisor = (uint16_t) ((u->divisor & 0xff00) | value);
    else
      transmit (u, value);
    break;
  case REG_IER:
    if (u->lcr & LCR_DLAB)
      u->divisor = (uint16_t) ((u->divisor & 0xff) | value << 8);
    else {
      /* Enabling the transmit interrupt while the holding register is empty raises it (the driver's probe relies on it). */
      if (value & IER_TRANSMIT & ~u->ier)
        u->transmit_pending = true;
      u->ier = value & 0x0f;
    }
    break;
  case REG_IIR:
    write_fcr (u, value);
    break;
  case REG_LCR:
    u->lcr = value;
    break;
  case REG_MCR:
    write_mcr (u, value);
    break;
  case REG_SCR:
    u->scr = value;
    break;
  }
  update_irq (u);
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
uart_realize (void *self, GError **error)
{
  Uart *u = self;
  u->timeout = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_timeout, u);
  if (!bp_char_attach (&u->backend, &handlers, u)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "its backend is in use by another device");
    u->backend = (BpLink) { NULL, NULL };       /* not ours to detach */
    return false;
  }
  return true;
}

static void
uart_unrealize (void *self)
{
  Uart *u = self;
  bp_char_attach (&u->backend, NULL, NULL);
  bp_timer_free (u->timeout);
  u->timeout = NULL;
}

static void
uart_reset (void *self, BpResetKind kind)
{
  Uart *u = self;
  u->fifo_head = u->fifo_count = 0;
  u->ier = u->fcr = u->lcr = u->scr = 0;
  u->mcr = 0;
  u->lsr = LSR_THRE | LSR_IDLE;
  u->msr = MSR_DCD | MSR_DSR | MSR_CTS;
  u->divisor = 12;
  u->transmit_pending = u->timeout_pending = false;
  bp_timer_cancel (u->timeout);
  bp_pin_lower (u->irq);
}

static bool
uart_post_load (void *self, GError **error)
{
  Uart *u = self;
  u->fifo_head %= FIFO_SIZE;
  u->fifo_count = MIN (u->fifo_count, (uint8_t) capacity (u));
  update_irq (u);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty uart_properties[] = {
  BP_PROP_LINK ("backend", Uart, backend, BP_CHAR_ID, 0, "Character backend at the other end of the line; none: output is dropped."),
  BP_PROP_U32_RANGE ("clock", Uart, clock_hz, 1843200, 1, 100000000, "Input clock in Hz; the baud rate is clock / 16 / divisor."),
  BP_PROP_END
};

static const BpRegionOps uart_ops = BP_REGION_OPS (.read = uart_read, .write = uart_write, .impl_max = 1);
static const BpRegionDesc uart_regions[] = {
  BP_REGION_DESC ("pio0", Uart, regs, &uart_ops, 8, "The eight registers; 0x3f8 for COM1.  May be mapped in either address space."),
  BP_REGION_DESC_END
};
static const BpPinDesc uart_pins[] = { BP_PIN_DESC_OUT ("irq", Uart, irq, 0, "Interrupt request, active high."), BP_PIN_DESC_END };

static const BpStateField uart_state[] = {
  BP_STATE_FIELD_BYTES (Uart, fifo), BP_STATE_FIELD_U8 (Uart, fifo_head), BP_STATE_FIELD_U8 (Uart, fifo_count), BP_STATE_FIELD_U8 (Uart, ier),
  BP_STATE_FIELD_U8 (Uart, fcr), BP_STATE_FIELD_U8 (Uart, lcr), BP_STATE_FIELD_U8 (Uart, mcr), BP_STATE_FIELD_U8 (Uart, lsr),
  BP_STATE_FIELD_U8 (Uart, msr), BP_STATE_FIELD_U8 (Uart, scr), BP_STATE_FIELD_U16 (Uart, divisor), BP_STATE_FIELD_BOOL (Uart, transmit_pending),
  BP_STATE_FIELD_BOOL (Uart, timeout_pending), BP_STATE_FIELD_TIMER (Uart, timeout), BP_STATE_END
};

const BpTypeDesc uart_16550_type = {
  BP_TYPE ("uart-16550", BP_KIND_DEVICE, Uart),
  .description = "National Semiconductor 16550A UART",
  .properties = uart_properties,
  .regions = uart_regions,
  .pins = uart_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = uart_state,
  .realize = uart_realize,
  .unrealize = uart_unrealize,
  .reset = uart_reset,
  .post_load = uart_post_load,
};
