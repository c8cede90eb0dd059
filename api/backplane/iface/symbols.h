/* iface/symbols.h -- you implement this: names for guest addresses. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  An object that has read a program's symbols (a kernel, a user program) tells which function and source line an address belongs to.  Instruments,
 * and whoever else wants names, ask all objects of the machine in the descriptor's order.
 */
#ifndef BACKPLANE_IFACE_SYMBOLS_H
#define BACKPLANE_IFACE_SYMBOLS_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_SYMBOLS_ID "bp.symbols/1"

/* Which code is meant. */
typedef struct BpSymbolQuery {
  uint32_t struct_size;
  uint32_t privilege;           /* of the code: 0 the most, 3 user programs */
  uint64_t address;             /* virtual */
  uint64_t space;               /* address space (x86: CR3 less its low 12 bits); 0: not known */
} BpSymbolQuery;

typedef struct BpSymbolAnswer {
  uint32_t struct_size;         /* set by the caller */
  uint32_t line;                /* source; 0: not known */
  const char *name, *file;      /* NULL: not known.  They live as long as the object */
  uint64_t start, size;         /* of the symbol, virtual; size 0: not known */
} BpSymbolAnswer;

typedef struct BpSymbolsIface {
  uint32_t struct_size;
  /* false: not mine. [any][realized]; it may be asked while an instrument looks at a block, so it takes no lock but its own */
  bool (*find) (void *self, const BpSymbolQuery *query, BpSymbolAnswer *answer);
  /* The address of a symbol by its name. false: there is none. [any][realized] */
  bool (*address) (void *self, const char *name, uint64_t *address);
} BpSymbolsIface;

/* Who knows the address, the first in the descriptor's order, with its answer, whose struct_size the caller has set; NULL: nobody. [any][realized] */
BP_EXPORT void *bp_machine_symbol (BpMachine *machine, const BpSymbolQuery *query, BpSymbolAnswer *answer);
/* The address of a symbol, of the first that knows it. false: nobody does. [any][realized] */
BP_EXPORT bool bp_machine_symbol_address (BpMachine *machine, const char *name, uint64_t *address);

BP_END_DECLS
#endif
