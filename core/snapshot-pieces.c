/* snapshot-pieces.c -- pieces of a snapshot's stream, packed or unpacked by all processors at once, in order. */
/* SPDX-License-Identifier: MIT */
/*
 * A ring of pieces: from `oldest` on they are under way, those before `begun` are somebody's or done, the rest waits for a thread.  Whoever waits for the oldest does
 * what nobody has begun meanwhile, so one thread is enough.
 */
#include "config.h"
#include "snapshot.h"
#ifdef HAVE_ZSTD
#include <zstd.h>

enum { THREADS_MOST = 4, RING = 2 * THREADS_MOST };

typedef struct Tool {           /* of one thread */
  ZSTD_CCtx *pack;
  ZSTD_DCtx *unpack;
} Tool;

struct SnapshotPieces {
  GMutex lock;                  /* of all below */
  GCond work, done;
  SnapshotPiece ring[RING];
  bool is_done[RING];
  unsigned n, oldest, begun, end;       /* end: the free one; they only grow */
  bool packs, stop;
  GThread *threads[THREADS_MOST];
  unsigned n_threads;
  Tool own;                     /* the caller's */
};

static Tool
tool_new (bool packs)
{
  Tool t = { .pack = packs ? ZSTD_createCCtx () : NULL, .unpack = packs ? NULL : ZSTD_createDCtx () };
  if (t.pack) {
    ZSTD_CCtx_setParameter (t.pack, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter (t.pack, ZSTD_c_checksumFlag, 1);
  }
  return t;
}

static void
tool_free (Tool *t)
{
  ZSTD_freeCCtx (t->pack);
  ZSTD_freeDCtx (t->unpack);
}

static void
use (const Tool *t, SnapshotPiece *p)
{
  size_t n = ZSTD_CONTENTSIZE_ERROR;
  p->wrong = NULL;
  if (!t->pack && !t->unpack) {
    p->wrong = "the host has no memory";
  } else if (t->pack) {
    n = ZSTD_compress2 (t->pack, p->packed, SNAPSHOT_PACKED_MOST, p->data, p->size);
    p->packed_size = n;
  } else {
    n = ZSTD_decompressDCtx (t->unpack, p->data, p->size, p->packed, p->packed_size);
    if (!ZSTD_isError (n) && n != p->size)
      p->wrong = "a piece has another size";
  }
  if (!p->wrong && ZSTD_isError (n))
    p->wrong = ZSTD_getErrorName (n);
}

/* Under `lock`, which it leaves for the work. */
static void
do_next (SnapshotPieces *s, const Tool *t)
{
  unsigned i = s->begun++ % s->n;
  g_mutex_unlock (&s->lock);
  use (t, &s->ring[i]);
  g_mutex_lock (&s->lock);
  s->is_done[i] = true;
  g_cond_signal (&s->done);
}

static void *
run_thread (void *user)
{
  SnapshotPieces *s = user;
  Tool t = tool_new (s->packs);
  g_mutex_lock (&s->lock);
  while (!s->stop)
    if (s->begun != s->end && (t.pack || t.unpack))
      do_next (s, &t);
    else
      g_cond_wait (&s->work, &s->lock);
  g_mutex_unlock (&s->lock);
  tool_free (&t);
  return NULL;
}

/* Two for each processor, so that nobody waits for the one who reads or writes them. */
SnapshotPieces *
snapshot_pieces_new (bool packs)
{
  SnapshotPieces *s = g_new0 (SnapshotPieces, 1);
  unsigned n = MIN (g_get_num_processors (), THREADS_MOST);
  g_mutex_init (&s->lock);
  g_cond_init (&s->work);
  g_cond_init (&s->done);
  s->packs = packs;
  s->n = 2 * n;
  s->own = tool_new (packs);
  return s;
}

/* The caller's own thread is the first. */
static void
start_threads (SnapshotPieces *s)
{
  while (s->n_threads + 1 < s->n / 2) {
    GThread *thread = g_thread_try_new ("snapshot", run_thread, s, NULL);
    if (!thread)
      return;
    s->threads[s->n_threads++] = thread;
  }
}

SnapshotPiece *
snapshot_pieces_next (SnapshotPieces *s)
{
  if (s->end - s->oldest == s->n)
    return NULL;
  SnapshotPiece *p = &s->ring[s->end % s->n];
  if (!p->data) {
    p->data = g_malloc (SNAPSHOT_PIECE_MOST);
    p->packed = g_malloc (SNAPSHOT_PACKED_MOST);
  }
  return p;
}

void
snapshot_pieces_give (SnapshotPieces *s)
{
  g_mutex_lock (&s->lock);
  s->is_done[s->end % s->n] = false;
  s->end++;
  if (s->end - s->oldest > 1 && !s->n_threads)
    start_threads (s);
  g_cond_signal (&s->work);
  g_mutex_unlock (&s->lock);
}

SnapshotPiece *
snapshot_pieces_oldest (SnapshotPieces *s)
{
  if (s->oldest == s->end)
    return NULL;
  unsigned i = s->oldest % s->n;
  g_mutex_lock (&s->lock);
  while (!s->is_done[i])
    if (s->begun != s->end)
      do_next (s, &s->own);
    else
      g_cond_wait (&s->done, &s->lock);
  g_mutex_unlock (&s->lock);
  return &s->ring[i];
}

void
snapshot_pieces_release (SnapshotPieces *s)
{
  s->oldest++;
}

void
snapshot_pieces_free (SnapshotPieces *s)
{
  if (!s)
    return;
  g_mutex_lock (&s->lock);
  s->stop = true;
  g_cond_broadcast (&s->work);
  g_mutex_unlock (&s->lock);
  for (unsigned i = 0; i < s->n_threads; i++)
    g_thread_join (s->threads[i]);
  for (unsigned i = 0; i < s->n; i++) {
    g_free (s->ring[i].data);
    g_free (s->ring[i].packed);
  }
  tool_free (&s->own);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->work);
  g_cond_clear (&s->done);
  g_free (s);
}

#endif
