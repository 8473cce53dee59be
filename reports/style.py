"""The page's style sheet: light and dark, wide and narrow. PURE."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f27;--muted:#5f6876;--grid:#dfe3ea;
--card:#fff;--bg:#f4f5f8;--s1:#2f6fdb;--s2:#0e9f8e;--s3:#d9822b;--s4:#8a5cd6;
--s5:#c2417c;--s6:#6b7a8f;--good:#15803d;--bad:#c62828;--warn:#b7791f;
--shade:#0002;--good-bg:#e5f5ea;--bad-bg:#fdeaea;--warn-bg:#fff4dc}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e7eaf0;--muted:#9aa4b4;
--grid:#333a46;--card:#1b1f27;--bg:#12151b;--s1:#74a6ff;--s2:#43cdb9;--s3:#f0a55c;
--s4:#b795f5;--s5:#ee83b3;--s6:#9fb0c6;--good:#56c77c;--bad:#ff7b74;--warn:#e6b450;
--shade:#000c;--good-bg:#16301f;--bad-bg:#3a1d1d;--warn-bg:#352b14}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,
-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1040px;margin:0 auto;padding:24px 20px 48px}
h1{font-size:1.5rem;line-height:1.3;margin:.2em 0 .6em;font-weight:650;
text-wrap:balance}
h2{font-size:1.05rem;margin:0 0 .7em;font-weight:650}
header,section{background:var(--card);border:1px solid var(--grid);
border-radius:12px;padding:18px 20px;margin:0 0 16px}
header{border-left:6px solid var(--muted)}
header.pass{border-left-color:var(--good)}header.fail{border-left-color:var(--bad)}
header.undecided{border-left-color:var(--warn)}
.title{margin:0;color:var(--muted);font-size:.9rem}
.badge{display:inline-block;border-radius:8px;padding:0 .55em;margin-right:.25em;
font-size:.85em}
.badge.pass,.tag.pass{background:var(--good-bg);color:var(--good)}
.badge.fail,.tag.fail{background:var(--bad-bg);color:var(--bad)}
.badge.undecided,.tag.undecided{background:var(--warn-bg);color:var(--warn)}
.tag{border-radius:6px;padding:.1em .5em;font-weight:600;white-space:nowrap;
font-size:.85em}
.tag.plain{background:var(--bg);color:var(--muted)}
dl{margin:0;font-size:.86rem;color:var(--muted)}
dl div{display:flex;gap:.8em}dt{flex:0 0 5.2em}dd{margin:0;min-width:0;
overflow-wrap:anywhere;color:var(--ink)}
code{font:.92em ui-monospace,"DejaVu Sans Mono",monospace}
.doubts{background:var(--warn-bg);border-color:var(--warn)}
.doubts ul{margin:0;padding-left:1.2em}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:12px;
background:none;border:0;padding:0}
.tile{background:var(--card);border:1px solid var(--grid);border-radius:12px;
padding:13px 15px}
.tile p{margin:0;font-size:.84rem;color:var(--muted)}
.tile strong{font-size:1.65rem;line-height:1.25;font-weight:680;
font-variant-numeric:tabular-nums}
.tile small{font-size:.85rem;font-weight:500;color:var(--muted)}
.tile.fail{border-color:var(--bad)}.tile.fail strong{color:var(--bad)}
.tile.undecided strong{color:var(--warn)}
.more{margin:-.3em 0 .8em;overflow-wrap:anywhere}
.note{color:var(--muted);font-size:.86rem;margin:.6em 0 0}
/* A shadow at the side on which there is more to see. */
.plot,.scroll{overflow-x:auto;background:
linear-gradient(to right,var(--card) 40%,transparent) 0/36px 100%,
linear-gradient(to left,var(--card) 40%,transparent) 100%/36px 100%,
linear-gradient(to right,var(--shade),transparent) 0/14px 100%,
linear-gradient(to left,var(--shade),transparent) 100%/14px 100%;
background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
.plot svg{display:block;width:100%;min-width:620px;height:auto;font-family:inherit}
table{border-collapse:collapse;width:100%;font-size:.9rem;
font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.5em .9em .5em 0;border-top:1px solid var(--grid);
vertical-align:top;font-weight:400}
thead th{border-top:0;color:var(--muted);font-size:.82rem;vertical-align:bottom}
tbody th{min-width:13em}
td strong{font-weight:650}
th small,td small{display:block;color:var(--muted);font-size:.78rem;line-height:1.35}
td small{white-space:nowrap}
td .range{display:inline;margin-left:.5em;white-space:nowrap}
.compare td{white-space:nowrap}.absent{color:var(--muted)}
.defects{margin:.7em 0 0;padding-left:1.2em;color:var(--bad)}
details summary{cursor:pointer}summary h2{display:inline;margin-right:.4em}
details .scroll{margin-top:.8em}
footer{color:var(--muted);font-size:.82rem}
footer ul{padding-left:1.2em;margin:.3em 0}
a{color:var(--s1)}
@media (max-width:600px){main{padding:12px 10px 32px}
header,section{padding:14px;border-radius:10px}.tiles{padding:0;
grid-template-columns:1fr 1fr}h1{font-size:1.2rem}.tile strong{font-size:1.3rem}
tbody th{min-width:8.5em}.figures th{width:45%}td small{white-space:normal}
.plot svg{min-width:540px}}
@media print{body{background:#fff;font-size:12px}main{max-width:none;padding:0}
section,header{break-inside:avoid;padding:10px 14px}h2{break-after:avoid}
.plot,.scroll{overflow:visible;background:none}.plot svg{min-width:0}
details::details-content{content-visibility:visible;height:auto}
*{print-color-adjust:exact}}
"""
