/* image-ring.h -- requests that the kernel does by itself: a backend's io_uring. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_RING_H
#define BLOCK_BACKENDS_IMAGE_RING_H

#include "image.h"

typedef struct ImageRing ImageRing;

enum { IMAGE_RING_AGAIN = -1 };         /* the kernel has not done all of it, for a reason that somebody who may wait can see to: to be done anew, as a whole */

/* landed: a request is over; code: 0, an errno, or AGAIN.  Called by reap and wait.  NULL: error says what the host lacks. */
ImageRing *image_ring_new (void (*landed) (void *user, BpBlockRequest *request, int code), void *user, GError **error);
/* Nothing is under way. */
void image_ring_free (ImageRing *ring);
/* Readable while something is to be reaped. */
int image_ring_descriptor (const ImageRing *ring);
/* false: the request is none for the kernel alone, nothing has happened.  The kernel sees it with the next push. [any] */
bool image_ring_take (ImageRing *ring, Image *image, BpBlockRequest *request, bool durable);
/* false: the kernel takes nothing now; it is to be asked again. [any] */
bool image_ring_push (ImageRing *ring);
void image_ring_reap (ImageRing *ring);         /* [any] */
/* Waits for one request at least, when there are any under way, and reaps. [any] */
void image_ring_wait (ImageRing *ring);
unsigned image_ring_under_way (ImageRing *ring);        /* taken, and landed was not called yet */

#endif
