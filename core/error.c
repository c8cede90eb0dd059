/* error.c -- the domain of the errors that the host and its plugins report. */
/* SPDX-License-Identifier: MIT */

#include <backplane/common.h>

GQuark
bp_error_quark (void)
{
  return g_quark_from_static_string ("backplane-error");
}
