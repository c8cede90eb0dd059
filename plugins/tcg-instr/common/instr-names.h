/* instr-names.h -- words for what instruments count, the same in each report. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_INSTR_NAMES_H
#define TCG_INSTR_NAMES_H

#include <backplane/tcg/instrument.h>

enum { INSTR_PRIVILEGES = 4 };  /* BpInsn.privilege, those above are counted with the last */

/* "arithmetic", "vector-float": as reports have them; never NULL. */
const char *instr_class_key (unsigned insn_class);
static inline unsigned
instr_class (const BpInsn *insn)
{
  return insn->insn_class < BP_N_CLASSES ? insn->insn_class : BP_CLASS_OTHER;
}
/* "privilege-0" and "Privilege 0 (kernel)". */
const char *instr_privilege_key (unsigned privilege);
const char *instr_privilege_title (unsigned privilege);
static inline unsigned
instr_privilege (const BpInsn *insn)
{
  return MIN (insn->privilege, INSTR_PRIVILEGES - 1);
}

#endif
