/* instr-names.c -- words for what instruments count. */
/* SPDX-License-Identifier: MIT */
#include "instr-names.h"

static const struct {
  const char *key, *title;
} classes[BP_N_CLASSES] = {
  [BP_CLASS_OTHER] = { "other", "Other" },
  [BP_CLASS_MOVE] = { "move", "Move" },
  [BP_CLASS_ARITHMETIC] = { "arithmetic", "Arithmetic" },
  [BP_CLASS_LOGIC] = { "logic", "Logic" },
  [BP_CLASS_SHIFT] = { "shift", "Shift, rotate, bit" },
  [BP_CLASS_MULTIPLY] = { "multiply", "Multiply" },
  [BP_CLASS_DIVIDE] = { "divide", "Divide" },
  [BP_CLASS_CONDITIONAL] = { "conditional", "Conditional move, set" },
  [BP_CLASS_STRING] = { "string", "String" },
  [BP_CLASS_ATOMIC] = { "atomic", "Atomic" },
  [BP_CLASS_FLOAT] = { "float", "Floating point" },
  [BP_CLASS_VECTOR_FLOAT] = { "vector-float", "Vector, floating point" },
  [BP_CLASS_VECTOR_INTEGER] = { "vector-integer", "Vector, integer" },
  [BP_CLASS_CRYPTO] = { "crypto", "Cryptography" },
  [BP_CLASS_BRANCH] = { "branch", "Conditional branch" },
  [BP_CLASS_JUMP] = { "jump", "Jump" },
  [BP_CLASS_CALL] = { "call", "Call" },
  [BP_CLASS_RETURN] = { "return", "Return" },
  [BP_CLASS_SYSTEM_CALL] = { "system-call", "System call and return" },
  [BP_CLASS_SYSTEM] = { "system", "System" },
  [BP_CLASS_IO] = { "io", "Ports" },
  [BP_CLASS_FENCE] = { "fence", "Fence, prefetch, cache control" },
  [BP_CLASS_NOP] = { "nop", "No operation" },
};

const char *
instr_class_key (unsigned insn_class)
{
  return classes[insn_class < BP_N_CLASSES ? insn_class : BP_CLASS_OTHER].key;
}

const char *
instr_class_title (unsigned insn_class)
{
  return classes[insn_class < BP_N_CLASSES ? insn_class : BP_CLASS_OTHER].title;
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
