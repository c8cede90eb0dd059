/* kbd-i8042.h -- the keyboard's entry for whoever types: an input backend, or a test. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_KBD_I8042_H
#define HW_PC_KBD_I8042_H

#include <backplane/common.h>

/* One key's scan codes of set 2, as the keyboard sends them.  All or nothing: false when the keyboard does not scan, or its buffer has no
 * room (it then sends an overrun code once). [any][locked] */
bool i8042_send_codes (void *self, const uint8_t *codes, unsigned n);

#endif
