/* toy-instrument.h -- toys for tests of instruments: an accelerator that can be instrumented, an instrument, and symbols. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_TOY_INSTRUMENT_H
#define TESTS_CORE_TOY_INSTRUMENT_H

#include "instrument.h"
#include "toy.h"

/*
 * toy-tcg      accel       vCPUs only wait; instruments attach, start and stop
 * toy-probe    instrument  `size' (u32) is what it reports; `silent': it has no report; `twice': it attaches itself twice; `early': in configure
 * toy-names    device      bp.symbols/1: main at 0x401000 (64 bytes, main.c:7), start_kernel at 0xffffffff81000000 (privilege 0 only)
 */
void toy_instrument_register (void);

/* What the accelerator was told last, and whether that instrument runs. */
extern BpInstrumentControl toy_control;

#endif
