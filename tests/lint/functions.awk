# functions.awk -- of C laid out as in this tree, a line a function: its length in lines, FILE:LINE, its name.
FNR == 1 { inside = 0; head = "" }
inside {
  if (/^}/) { print FNR - start + 1, file ":" start, name; inside = 0; head = "" }
  next
}
/^[A-Za-z_].*\(/ { head = $0; file = FILENAME; start = FNR }
/[;}][ \t]*(\/\*.*\*\/)?[ \t]*$/ { head = ""; next }
/^\{/ || (/\{$/ && /^[A-Za-z_].*\)[ \t]*\{$/) {
  if (head == "") next
  name = head
  sub (/^(START_TEST|END_TEST|BP_TEST) \(/, "", name)
  sub (/ ?\(.*|\).*/, "", name)
  sub (/^.*[ *]/, "", name)
  inside = 1
}
