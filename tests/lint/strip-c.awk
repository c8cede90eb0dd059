# strip-c.awk -- C without comments and without what is in strings and character constants; line by line.
{
  out = ""
  n = length($0)
  for (i = 1; i <= n; i++) {
    c = substr($0, i, 1)
    two = substr($0, i, 2)
    if (in_comment) {
      if (two == "*/") { in_comment = 0; i++ }
      c = " "
    } else if (quote != "") {
      if (c == "\\") { i++; c = " " }
      else if (c == quote) { quote = "" }
      else c = " "
    } else if (two == "/*") {
      in_comment = 1
      i++
      c = " "
    } else if (two == "//") {
      break
    } else if (c == "\"" || c == "'") {
      quote = c
    }
    out = out c
  }
  if (substr($0, n, 1) != "\\") quote = ""
  print out
}
