/* instr-names.c -- words for what instruments count. */
/* SPDX-License-Identifier: MIT */
#include "instr-names.h"

static const char *const classes[BP_N_CLASSES] = {
  [BP_CLASS_OTHER] = "other",
  [BP_CLASS_MOVE] = "move",
  [BP_CLASS_ARITHMETIC] = "arithmetic",
  [BP_CLASS_LOGIC] = "logic",
  [BP_CLASS_SHIFT] = "shift",
  [BP_CLASS_MULTIPLY] = "multiply",
  [BP_CLASS_DIVIDE] = "divide",
  [BP_CLASS_CONDITIONAL] = "conditional",
  [BP_CLASS_STRING] = "string",
  [BP_CLASS_ATOMIC] = "atomic",
  [BP_CLASS_FLOAT] = "float",
  [BP_CLASS_VECTOR_FLOAT] = "vector-float",
  [BP_CLASS_VECTOR_INTEGER] = "vector-integer",
  [BP_CLASS_CRYPTO] = "crypto",
  [BP_CLASS_BRANCH] = "branch",
  [BP_CLASS_JUMP] = "jump",
  [BP_CLASS_CALL] = "call",
  [BP_CLASS_RETURN] = "return",
  [BP_CLASS_SYSTEM_CALL] = "system-call",
  [BP_CLASS_SYSTEM] = "system",
  [BP_CLASS_IO] = "io",
  [BP_CLASS_FENCE] = "fence",
  [BP_CLASS_NOP] = "nop",
};

const char *
instr_class_key (unsigned insn_class)
{
  return classes[insn_class < BP_N_CLASSES ? insn_class : BP_CLASS_OTHER];
}

const char *
instr_privilege_key (unsigned privilege)
{
  static const char *const keys[INSTR_PRIVILEGES] = { "privilege-0", "privilege-1", "privilege-2", "privilege-3" };
  return keys[MIN (privilege, INSTR_PRIVILEGES - 1)];
}

const char *
instr_privilege_title (unsigned privilege)
{
  static const char *const titles[INSTR_PRIVILEGES] = { "Privilege 0 (kernel)", "Privilege 1", "Privilege 2", "Privilege 3 (user)" };
  return titles[MIN (privilege, INSTR_PRIVILEGES - 1)];
}
