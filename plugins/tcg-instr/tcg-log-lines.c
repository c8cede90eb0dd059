/* tcg-log-lines.c -- text, by hand: printf would be most of the time that a log takes. */
/* SPDX-License-Identifier: MIT */
#include "tcg-log-lines.h"
#include <stdarg.h>
#include <string.h>

enum { PIECE = 1 << 20, EFFECTS_COLUMN = 72 };

/* --- the file ------------------------------------------------------------------------------ */

struct LogFile {
  GMutex lock;
  TraceFile *file;
  char *piece;                  /* whole lines that are not written yet */
  size_t used, size;
  uint64_t lines, limit;
  bool ended;
};

LogFile *
log_file_new (const char *path, int zstd_level, uint64_t limit, GError **error)
{
  TraceFile *file = trace_file_create (path, zstd_level, false, error);
  if (!file)
    return NULL;
  LogFile *f = g_new0 (LogFile, 1);
  g_mutex_init (&f->lock);
  f->file = file;
  f->limit = limit;
  f->piece = g_malloc (f->size = PIECE);
  return f;
}

static void
write_piece (LogFile *f)
{
  const void *packed;
  size_t stored = f->used ? trace_file_pack (f->file, f->piece, f->used, &packed) : 0;
  if (f->used && !trace_file_write (f->file, stored ? packed : f->piece, stored ? stored : f->used))
    __atomic_store_n (&f->ended, true, __ATOMIC_RELEASE);
  f->used = 0;
}

/* n 0 is allowed. */
static void
log_file_put (LogFile *f, const char *line, size_t n)
{
  g_mutex_lock (&f->lock);
  if (n && !f->ended) {
    if (f->size - f->used < n)
      write_piece (f);
    if (f->size < n)
      f->piece = g_realloc (f->piece, f->size = n);
    memcpy (f->piece + f->used, line, n);
    f->used += n;
    if (++f->lines == f->limit)
      __atomic_store_n (&f->ended, true, __ATOMIC_RELEASE);
  }
  g_mutex_unlock (&f->lock);
}

bool log_file_ended (const LogFile *f) { return __atomic_load_n (&f->ended, __ATOMIC_ACQUIRE); }

void
log_file_flush (LogFile *f)
{
  g_mutex_lock (&f->lock);
  write_piece (f);
  g_mutex_unlock (&f->lock);
}

uint64_t log_file_n_lines (LogFile *f) { return f->lines; }
uint64_t log_file_size (LogFile *f) { return trace_file_size (f->file); }
const char *log_file_error (LogFile *f) { return trace_file_error (f->file); }
const char *log_file_path (const LogFile *f) { return trace_file_path (f->file); }

void
log_file_free (LogFile *f)
{
  if (!f)
    return;
  write_piece (f);
  trace_file_close (f->file);
  g_free (f->piece);
  g_mutex_clear (&f->lock);
  g_free (f);
}

/* --- lines --------------------------------------------------------------------------------------- */

static void
append_hex (GString *s, uint64_t v)
{
  char digits[16];
  unsigned at = sizeof digits;
  do {
    digits[--at] = "0123456789abcdef"[v & 15];
    v >>= 4;
  } while (v);
  g_string_append_len (s, digits + at, (gssize) (sizeof digits - at));
}

static void
append_decimal (GString *s, uint32_t v)
{
  char digits[10];
  unsigned at = sizeof digits;
  do {
    digits[--at] = (char) ('0' + v % 10);
    v /= 10;
  } while (v);
  g_string_append_len (s, digits + at, (gssize) (sizeof digits - at));
}

/* Before an effect: the first begins a column of its own. */
static void
separate (LogLine *l)
{
  static const char spaces[] = "                                                                        ";
  _Static_assert (sizeof spaces > EFFECTS_COLUMN, "as wide as the column");
  if (!l->effects) {
    if (l->text->len < EFFECTS_COLUMN)
      g_string_append_len (l->text, spaces, (gssize) (EFFECTS_COLUMN - l->text->len));
    g_string_append (l->text, " |");
  }
  l->effects = true;
  g_string_append_c (l->text, ' ');
}

void
log_line_init (LogLine *l, LogFile *file, unsigned vcpu)
{
  *l = (LogLine) { .file = file, .vcpu = vcpu, .text = g_string_sized_new (1024) };
}

void
log_line_clear (LogLine *l)
{
  if (l->text)
    g_string_free (l->text, TRUE);
  l->text = NULL;
}

void
log_line_end (LogLine *l)
{
  if (!l->open)
    return;
  g_string_append_c (l->text, '\n');
  log_file_put (l->file, l->text->str, l->text->len);
  l->open = false;
}

void
log_line_begin (LogLine *l, const char *text, size_t n)
{
  log_line_end (l);
  g_string_truncate (l->text, 0);
  append_decimal (l->text, l->vcpu);
  g_string_append_c (l->text, ' ');
  g_string_append_len (l->text, text, (gssize) n);
  l->open = true;
  l->effects = false;
}

void
log_line_access (LogLine *l, const TraceAccess *a)
{
  if (!l->open)
    return;
  separate (l);
  g_string_append (l->text, a->is_store ? "store " : "load ");
  append_hex (l->text, a->address);
  g_string_append_c (l->text, '/');
  append_decimal (l->text, a->bytes);
  if (a->bytes <= 8) {
    g_string_append_c (l->text, '=');
    append_hex (l->text, a->value);
  }
}

void
log_line_register (LogLine *l, const char *name, const uint8_t *bytes, unsigned n)
{
  if (!l->open)
    return;
  separate (l);
  g_string_append (l->text, name);
  g_string_append_c (l->text, '=');
  for (unsigned i = n; i-- > 0;) {
    g_string_append_c (l->text, "0123456789abcdef"[bytes[i] >> 4]);
    g_string_append_c (l->text, "0123456789abcdef"[bytes[i] & 15]);
  }
}

void
log_line_note (LogLine *l, const char *format, ...)
{
  va_list arguments;
  log_line_end (l);
  g_string_printf (l->text, "%u -- ", l->vcpu);
  va_start (arguments, format);
  g_string_append_vprintf (l->text, format, arguments);
  va_end (arguments);
  l->open = true;
  l->effects = false;
}
