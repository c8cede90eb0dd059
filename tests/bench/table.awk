# table.awk -- the bench's records (common.sh) as one table, and as JSON in the file `json' when that is set.
# Variables: other (whether there is such a column), about (what the JSON begins with), json.

function median(list,   v, n, i, j, t) {
  n = split(list, v, " ")
  for (i = 1; i <= n; i++) v[i] += 0
  for (i = 2; i <= n; i++) { t = v[i]; for (j = i - 1; j > 0 && v[j] > t; j--) v[j + 1] = v[j]; v[j + 1] = t }
  return v[int((n + 1) / 2)]
}
function more_is_better(r) { return unit[r] ~ /\/s$/ }
function middle(r, who) { return (r, who) in values ? median(values[r, who]) : 0 }
# How many times faster we are than WHO; how many times as long we take.
function faster(r, who,   b, p) {
  b = middle(r, "backplane"); p = middle(r, who)
  if (!b || !p) return 0
  return more_is_better(r) ? b / p : p / b
}
function slower(r, who,   f) { f = faster(r, who); return f ? 1 / f : 0 }

function digits(v) { return v >= 1000 ? sprintf("%.0f", v) : v >= 100 ? sprintf("%.1f", v) : v >= 1 ? sprintf("%.2f", v) : sprintf("%.3f", v) }
function ratio(v) { return v ? digits(v) : "-" }
# Times are recorded in ns; a row has the unit of its least value.
function scale(r,   m, w, v) {
  shown[r] = unit[r]
  by[r] = 1
  if (unit[r] != "ns") return
  for (w = 1; w <= n_who; w++) { v = middle(r, who[w]); if (v && (!m || v < m)) m = v }
  if (!m) shown[r] = "-"
  else if (m >= 1e9) { shown[r] = "s"; by[r] = 1e9 }
  else if (m >= 1e6) { shown[r] = "ms"; by[r] = 1e6 }
  else if (m >= 1e3) { shown[r] = "us"; by[r] = 1e3 }
}
function cell(r, w,   v) {
  v = middle(r, w)
  return v ? digits(v / by[r]) : (group[r], w) in failures || w != "native" && (group[r], "all") in failures ? "failed" : "-"
}

BEGIN { FS = "\t"; n_who = split("backplane other qemu native", who, " ") }
$1 == "row" { key = $2 SUBSEP $3; if (!(key in row)) { row[key] = ++rows; group[rows] = $2; name[rows] = $3; unit[rows] = $4 }
              if (!($2 in known)) { known[$2] = 1; order[++groups] = $2 } }
$1 == "value" && ($2 SUBSEP $3) in row { r = row[$2, $3]; values[r, $4] = values[r, $4] " " $5 }
$1 == "failed" { failures[$2, $3] = 1; why[++n_why] = $2 SUBSEP $3 ": " $4; if (!($2 in known)) { known[$2] = 1; order[++groups] = $2 } }
$1 == "missing" { if (!($3 in said)) said[$3] = ++n_missing; where[$3] = where[$3] (where[$3] ? ", " : "") $2; text[said[$3]] = $3 }

function print_line(g, w, u, b, o, q, n, fo, fq, sn) {
  printf "%-10s %-34s %-6s %9s", g, w, u, b
  if (other) printf " %9s %7s", o, fo
  printf " %9s %9s %8s %8s\n", q, n, fq, sn
}

# Rows of a group, the worst first: against QEMU; then those without QEMU, against native.
function before(a, b,   x, y) {
  x = faster(a, "qemu"); y = faster(b, "qemu")
  if (x && y) return x < y
  if (x || y) return x > 0
  x = slower(a, "native"); y = slower(b, "native")
  return x == y ? a < b : x > y
}
function print_group(g,   n, i, j, r, list, parts) {
  for (r = 1; r <= rows; r++)
    if (group[r] == g) {
      scale(r)
      for (j = n++; j > 0 && before(r, list[j]); j--) list[j + 1] = list[j]
      list[j + 1] = r
    }
  for (i = 1; i <= n; i++) {
    r = list[i]
    print_line(g, name[r], shown[r], cell(r, "backplane"), cell(r, "other"), cell(r, "qemu"), cell(r, "native"),
               ratio(faster(r, "other")), ratio(faster(r, "qemu")), ratio(slower(r, "native")))
  }
  for (i = 1; i <= n_why; i++) {
    split(why[i], parts, SUBSEP)
    if (parts[1] == g) print "  failed: " parts[2]
  }
}

# The three worst: of ratios to WHO, the least of `faster' or the greatest of `slower'.
function worst(peer, what,   taken, k, r, best, line) {
  for (k = 1; k <= 3; k++) {
    best = 0
    for (r = 1; r <= rows; r++)
      if (!(r in taken) && faster(r, peer) && (!best || faster(r, peer) < faster(best, peer))) best = r
    if (!best) break
    taken[best] = 1
    line = line (k > 1 ? ", " : "") group[best] "/" name[best] " " digits(peer == "native" ? slower(best, peer) : faster(best, peer))
  }
  if (line) print what line
}

function quoted(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return "\"" s "\"" }
function list_of(s) { sub(/^ /, "", s); gsub(/ /, ", ", s); return "[" s "]" }
function write_json(   r, w, i, parts, line) {
  print "{\n" about "\n  \"rows\": [" >json
  for (r = 1; r <= rows; r++) {
    line = "    { \"group\": " quoted(group[r]) ", \"workload\": " quoted(name[r]) ", \"unit\": " quoted(unit[r])
    for (w = 1; w <= n_who; w++)
      if ((r, who[w]) in values)
        line = line ", " quoted(who[w]) ": { \"median\": " middle(r, who[w]) ", \"values\": " list_of(values[r, who[w]]) " }"
    print line " }" (r < rows ? "," : "") >json
  }
  print "  ],\n  \"failures\": [" >json
  for (i = 1; i <= n_why; i++) {
    split(why[i], parts, SUBSEP)
    print "    { \"group\": " quoted(parts[1]) ", \"why\": " quoted(parts[2]) " }" (i < n_why ? "," : "") >json
  }
  print "  ]\n}" >json
  close(json)
}

END {
  print_line("group", "workload", "unit", "backplane", "other", "qemu", "native", "/ other", "/ qemu", "/ native")
  for (g = 1; g <= groups; g++) print_group(order[g])
  print ""
  print "/ qemu" (other ? ", / other" : "") ": how many times as fast (more is better); / native: how many times as long (less is better)."
  for (i = 1; i <= n_missing; i++) print "not measured (" where[text[i]] "): " text[i]
  worst("qemu", "worst against QEMU: ")
  worst("native", "worst against native: ")
  if (json) write_json()
}
