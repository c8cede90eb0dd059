# common.sh -- what the lints share: the files they look at, and how they complain.
set -eu
LC_ALL=C
export LC_ALL
top=${BACKPLANE_SRCDIR:?run this through make check}
name=$(basename "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/backplane-lint.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
: >"$work/findings"

# Files of the tree, relative to its top: what a release holds, without what a build leaves behind.
files() {
  (cd "$top" && find api core plugins tests machines doc data m4 examples -type f "$@" 2>/dev/null) |
    grep -vE '(^|/)\.(libs|deps)/|^m4/l(ib)?t|\.(o|lo|la|log|trs)$' | sort
}

c_files() {
  files '(' -name '*.[chS]' -o -name '*.def' ')'
}

# Comments and the insides of strings become blanks; lines keep their numbers.
code_of() {
  awk -f "$top/tests/lint/strip-c.awk" "$1"
}

# finding FILE:LINE WHAT
finding() {
  where=$1
  shift
  echo "$where: $*" >>"$work/findings"
}

# The last line of a lint: what was looked at, and what was found there.
conclude() {
  sort -u "$work/findings"
  n=$(sort -u "$work/findings" | wc -l)
  echo "$name: $1: $((n)) findings"
  [ "$n" -eq 0 ]
}
