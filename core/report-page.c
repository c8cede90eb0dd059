/* report-page.c -- what every page of a report has in it: texts made harmless, how it looks, and how its tables are sorted and filtered. */
/* SPDX-License-Identifier: MIT */
#include "report-parts.h"

static const char *
entity (gunichar c)
{
  switch (c) {
  case '&': return "&amp;";
  case '<': return "&lt;";
  case '>': return "&gt;";
  case '"': return "&quot;";
  case '\'': return "&#39;";
  case '\n': return "\n";
  case '\t': return "\t";
  default: return c < 0x20 || (c >= 0x7f && c < 0xa0) ? "\xef\xbf\xbd" : NULL;
  }
}

void
append_escaped (GString *out, const char *text)
{
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    const char *instead = entity (g_utf8_get_char (p));
    if (instead)
      g_string_append (out, instead);
    else
      g_string_append_len (out, p, g_utf8_next_char (p) - p);
  }
}

/* Eight colours that stay apart for eyes that tell red from green badly; c0 is the page's own. */
const char page_style[] =
  ":root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1b2230;--muted:#5b6575;--line:#dfe3e9;--soft:#eef1f5;--hover:#f4f7fb;--accent:#1f5fd0;"
  "--bar:#cfe0fb;--c0:#1f6feb;--c1:#d9730d;--c2:#0f8a5f;--c3:#b8328a;--c4:#7a5af0;--c5:#8a6d1d;--c6:#0c8fb0;--c7:#c2342f}\n"
  "@media(prefers-color-scheme:dark){:root{--bg:#0e1218;--card:#161b23;--text:#e3e7ee;--muted:#98a2b3;--line:#2a323e;--soft:#1e2530;--hover:#1b222c;--accent:#7fb0ff;"
  "--bar:#24426f;--c0:#6aa5ff;--c1:#f0a04b;--c2:#4cc79a;--c3:#ee7fc4;--c4:#ab97ff;--c5:#d3b457;--c6:#56c6e3;--c7:#ff8078}}\n"
  "*{box-sizing:border-box}\n"
  "html{-webkit-text-size-adjust:100%}\n"
  "body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n"
  "header,nav,main,footer{max-width:1560px;margin:0 auto;padding:0 24px}\n"
  "header{padding-top:28px}\n"
  "h1{font-size:26px;line-height:1.25;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}\n"
  "header p{margin:4px 0 0;color:var(--muted);overflow-wrap:anywhere}\n"
  "nav{display:flex;flex-wrap:wrap;gap:8px;padding-top:16px}\n"
  "nav a{padding:3px 12px;border:1px solid var(--line);border-radius:999px;background:var(--card);color:var(--accent);text-decoration:none;font-size:13.5px;max-width:100%;overflow-wrap:anywhere}\n"
  "nav a:hover{border-color:var(--accent)}\n"
  "main{padding-top:20px;padding-bottom:16px}\n"
  "footer{padding-bottom:32px;color:var(--muted);font-size:13px}\n"
  "section{margin:0 0 20px}\n"
  "main>section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:20px 22px 8px}\n"
  "section section{margin:22px 0 6px;padding-left:16px;border-left:3px solid var(--line)}\n"
  "h2,h3,h4{line-height:1.3;margin:0 0 12px;overflow-wrap:anywhere}\n"
  "h2{font-size:19px}h3{font-size:16.5px}h4{font-size:15px;color:var(--muted)}\n"
  "p.note{margin:0 0 14px;color:var(--muted);max-width:80ch;overflow-wrap:anywhere}\n"
  "dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(168px,1fr));gap:1px;margin:0 0 16px;border:1px solid var(--line);border-radius:8px;overflow:hidden}\n"
  "dl div{box-shadow:0 0 0 1px var(--line);padding:9px 14px;min-width:0}\n"
  "dl div.wide{grid-column:1/-1;order:1}\n"
  "dt{color:var(--muted);font-size:13px;overflow-wrap:anywhere}\n"
  "dd{margin:1px 0 0;font-size:18px;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;unicode-bidi:isolate}\n"
  "dl div.wide dd,dl div.words dd{font-size:15px}\n"
  "dl div.lines dd{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace;white-space:pre-wrap;max-height:60vh;overflow:auto}\n"
  ".table,figure{margin:0 0 18px}\n"
  ".head{display:flex;flex-wrap:wrap;align-items:baseline;gap:6px 14px;margin:0 0 8px}\n"
  ".head strong,figcaption{font-weight:600;font-size:15px;overflow-wrap:anywhere}\n"
  ".head .rows{color:var(--muted);font-size:13px}\n"
  ".head input{margin-left:auto;width:220px;max-width:100%;padding:5px 10px;font:inherit;font-size:13.5px;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:6px}\n"
  ".scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;max-width:100%}\n"
  "table{border-collapse:collapse;width:100%;font-size:13.5px}\n"
  "th,td{padding:5px 9px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}\n"
  "tbody tr:last-child td{border-bottom:0}\n"
  "tbody tr:hover td{background-color:var(--hover)}\n"
  "th{background:var(--soft);font-weight:600;white-space:nowrap}\n"
  "th button{all:unset;cursor:pointer;font:inherit}\n"
  "th button:focus-visible{outline:2px solid var(--accent);outline-offset:2px}\n"
  "th button::after{content:'\\2195';margin-left:3px;color:var(--muted);opacity:.55;font-weight:400}\n"
  "th[aria-sort=ascending] button::after{content:'\\2191';opacity:1;color:var(--accent)}\n"
  "th[aria-sort=descending] button::after{content:'\\2193';opacity:1;color:var(--accent)}\n"
  "td{unicode-bidi:isolate;overflow-wrap:break-word;max-width:56ch}\n"
  ".n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;overflow-wrap:normal}\n"
  ".m{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace;font-size:12.5px}\n"
  "td.m{white-space:nowrap}\n"
  "td.long{white-space:normal;min-width:36ch}\n"
  ".s{background:linear-gradient(to left,var(--bar) var(--p),transparent 0) no-repeat right 9px top 25px/72px 3px;min-width:90px;padding-bottom:8px}\n"
  ".none{color:var(--muted)}\n"
  ".empty{margin:0 0 16px;color:var(--muted)}\n"
  "button.more{margin-top:8px;padding:5px 12px;font:inherit;font-size:13.5px;color:var(--accent);background:var(--card);border:1px solid var(--line);border-radius:6px;cursor:pointer}\n"
  "button.more:hover{border-color:var(--accent)}\n"
  ".legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:6px 0 0;padding:0;font-size:13px;color:var(--muted)}\n"
  ".legend li{display:flex;align-items:center;gap:7px;min-width:0;overflow-wrap:anywhere}\n"
  ".legend svg{flex:none;width:22px;height:10px}\n"
  ".plot{overflow-x:auto;margin-top:6px}\n"
  ".plot>svg{display:block;width:100%;min-width:540px;max-width:1000px;height:auto}\n"
  "svg text{fill:var(--muted);font-size:12.5px;font-family:inherit}\n"
  "svg text.v{fill:var(--text)}\n"
  "svg .grid{stroke:var(--line);stroke-width:1}\n"
  "svg .axis{stroke:var(--muted);stroke-width:1}\n"
  "svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\n"
  "svg .dot{stroke:none}\n"
  "svg .hit{fill:transparent;stroke:transparent;stroke-width:2}\n"
  "svg .hit:hover{fill:var(--card);stroke:currentColor}\n"
  "svg .bar:hover{opacity:.8}\n"
  "@media(max-width:640px){header,nav,main,footer{padding-left:12px;padding-right:12px}header{padding-top:18px}h1{font-size:22px}"
  "main>section{padding:14px 12px 4px}section section{padding-left:10px}dl{grid-template-columns:repeat(auto-fill,minmax(132px,1fr))}dl div{padding:8px 10px}dd{font-size:16px}"
  "th,td{padding:5px 7px}.head input{margin-left:0;width:100%}}\n"
  "@media print{body{background:none}.head input,button.more{display:none}main>section{break-inside:avoid;border:0;padding:0}}\n";

/* Without it, everything is there, in its order. */
const char page_script[] =
  "'use strict';\n"
  "document.querySelectorAll('.table').forEach(function(box){\n"
  "  var FIRST=50,body=box.querySelector('tbody'),rows=Array.from(body.rows),heads=box.querySelectorAll('th'),all=false,word='';\n"
  "  var count=box.querySelector('.rows'),input=document.createElement('input'),more=document.createElement('button');\n"
  "  function grouped(n){return n.toString().replace(/\\B(?=(\\d{3})+$)/g,',')}\n"
  "  function show(){\n"
  "    var found=0;\n"
  "    rows.forEach(function(r){var is=!word||r.textContent.toLowerCase().indexOf(word)>=0;if(is)found++;r.hidden=!is||(!all&&found>FIRST)});\n"
  "    var shown=all?found:Math.min(found,FIRST);\n"
  "    count.textContent=(shown<rows.length?grouped(shown)+' of ':'')+grouped(rows.length)+(rows.length==1?' row':' rows');\n"
  "    more.hidden=all||found<=FIRST;more.textContent='Show all '+grouped(found)+' rows';\n"
  "  }\n"
  "  function value(row,i,number){var c=row.cells[i];return number?(c.dataset.v===undefined?null:Number(c.dataset.v)):c.className.indexOf('none')>=0?null:c.textContent.toLowerCase()}\n"
  "  heads.forEach(function(head,i){\n"
  "    var button=document.createElement('button'),number=head.className.indexOf('n')>=0;\n"
  "    button.textContent=head.textContent;head.textContent='';head.appendChild(button);\n"
  "    button.addEventListener('click',function(){\n"
  "      var now=head.getAttribute('aria-sort'),up=now?now=='descending':!number,sign=up?1:-1;\n"
  "      heads.forEach(function(h){h.removeAttribute('aria-sort')});\n"
  "      head.setAttribute('aria-sort',up?'ascending':'descending');\n"
  "      rows=rows.map(function(r){return[value(r,i,number),r]}).sort(function(a,b){\n"
  "        if(a[0]===null||b[0]===null)return(a[0]===null)-(b[0]===null);\n"
  "        return a[0]<b[0]?-sign:a[0]>b[0]?sign:0}).map(function(p){return p[1]});\n"
  "      rows.forEach(function(r){body.appendChild(r)});show();\n"
  "    });\n"
  "  });\n"
  "  input.type='search';input.placeholder='Filter rows';input.setAttribute('aria-label','Filter rows');\n"
  "  input.addEventListener('input',function(){word=input.value.trim().toLowerCase();show()});\n"
  "  if(rows.length>8)count.parentNode.appendChild(input);\n"
  "  more.className='more';more.type='button';more.addEventListener('click',function(){all=true;show()});\n"
  "  box.appendChild(more);show();\n"
  "});\n";
