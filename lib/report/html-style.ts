/** The style sheet of the HTML report. Verdicts are told by sign and word; colour only helps. */
export const STYLE = `
:root{color-scheme:light dark;--back:#f5f6f8;--card:#fff;--text:#1b1f24;--soft:#59626d;--line:#d9dde2;--mono:#eef0f3;
--fail:#b3261e;--warn:#8a5300;--inconclusive:#6338b0;--pass:#1a7340;--na:#5f6873}
@media (prefers-color-scheme:dark){:root{--back:#121518;--card:#1b1f24;--text:#e7eaed;--soft:#a3acb6;--line:#343b43;--mono:#262c33;
--fail:#ff8d85;--warn:#f5b948;--inconclusive:#c5aaff;--pass:#76d598;--na:#9ba5b0}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:68rem;margin:0 auto;padding:1.25rem 1rem 3rem}
h1,h2,h3,p,ul,ol,dl,dd{margin:0}
h1{font-size:1.7rem;line-height:1.25}
h2{font-size:1.2rem;margin:1.4rem 0 .6rem}
h3{font-size:1.05rem}
.result h3{font-size:1rem;margin-top:.75rem}
code,.code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
p code,dd code{background:var(--mono);border-radius:4px;padding:.05em .3em;-webkit-user-select:all;user-select:all}
a{color:inherit}
.card,.banner{background:var(--card);border:1px solid var(--line);border-left:6px solid var(--tone,var(--line));border-radius:8px;padding:.8rem 1.25rem;margin-bottom:.9rem;break-inside:avoid}
.banner h1{color:var(--tone)}
.banner p{margin-top:.2rem}
.tool{color:var(--soft);font-size:.9rem;margin-bottom:.4rem}
.fail{--tone:var(--fail)}.warn{--tone:var(--warn)}.inconclusive{--tone:var(--inconclusive)}.pass{--tone:var(--pass)}.not-applicable{--tone:var(--na)}
.loud{border-width:2px 2px 2px 6px;border-color:var(--tone)}
.loud strong{color:var(--tone)}
.badge{color:var(--tone);font-weight:600;white-space:nowrap}
.badge.not-applicable{font-weight:400}
.counts{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;margin-top:.3rem}
.pairs dt{color:var(--soft)}
.card h3 .code{color:var(--tone);margin-right:.5rem}
.says{display:grid;grid-template-columns:6.5rem 1fr;gap:.35rem .75rem;margin-top:.6rem}
.says dt{color:var(--soft)}
.says .do{color:var(--text);font-weight:700}
.where{list-style:none;padding:0}
.where li+li{margin-top:.2rem}
.where+details{margin-top:.2rem}.says+details{margin-top:.4rem}
h2+.plain+.pairs{margin-top:.6rem}
.seen{color:var(--soft);font-size:.92rem}
.sheet{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line);border-radius:8px}
.sheet+.sheet{margin-top:1.2rem}
.sheet caption{text-align:left;font-weight:600;padding-bottom:.4rem}
.sheet .both{text-align:center}
.sheet th,.sheet td{padding:.5rem .75rem;border-top:1px solid var(--line);text-align:left;vertical-align:top}
.sheet thead th{font-size:.85rem;color:var(--soft);font-weight:600}
.sheet tbody th{font-weight:400;width:70%}
.sheet .fold td{border-top:0;padding-top:0}.sheet tr:has(+.fold)>*{padding-bottom:.15rem}
.sheet tr.fail>:first-child{box-shadow:inset 4px 0 var(--fail)}
.sheet tr.warn>:first-child{box-shadow:inset 4px 0 var(--warn)}
.sheet tr.inconclusive>:first-child{box-shadow:inset 4px 0 var(--inconclusive)}
details>summary{cursor:pointer;color:var(--soft);font-size:.92rem}
details[open]>summary{margin-bottom:.4rem}
.pairs{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.15rem 1rem;font-size:.92rem;margin-top:.35rem}
.scroll{overflow-x:auto;margin-top:.4rem}
.data{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
.data caption{text-align:left;color:var(--soft);padding-bottom:.2rem}
.data th,.data td{border:1px solid var(--line);padding:.15rem .5rem;text-align:left;white-space:nowrap}
.grid th[scope=row]{font-weight:400;min-width:18rem;white-space:normal}.grid td{color:var(--tone);font-weight:600}.grid td:is(.pass,.not-applicable,.missing){font-weight:400}
.matrix thead th{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left;vertical-align:bottom;font-weight:400;max-height:14rem}.matrix tbody th{font-weight:400;position:sticky;left:0;background:var(--back)}.matrix :is(th,td){padding:.1rem .3rem}
.matrix td{color:var(--tone);font-weight:600;text-align:center}.matrix td span{color:var(--text);font-weight:400}.matrix td.pass{font-weight:400}.matrix .self{background:var(--mono)}
.over{margin-top:1rem}.sheet.differing tbody th{width:34%}.sheet.nodes tbody th{width:58%}.sheet.nodes thead th{overflow-wrap:normal}
.path{font-size:.92rem;padding-left:1.4rem}
.plain{padding-left:1.2rem}
.paths{font-variant-numeric:tabular-nums}
.paths caption{font-weight:400}
.paths th,.paths td{overflow-wrap:normal}.paths tbody th,.paths .by{overflow-wrap:anywhere}
.sheet.paths tbody th{width:42%}
.sheet .drawn{border:0;padding-top:0;max-width:0}
.drawn .scroll{margin:0}
.picture{display:block;font-size:12px}
.picture text{fill:currentColor;text-anchor:middle}
.picture .name,.picture .low{font-weight:600}
.picture .soft{color:var(--soft)}
.picture rect{fill:var(--mono);stroke:var(--soft)}
.picture path{fill:none;stroke:var(--text);stroke-width:1.5}
.picture .beyond{stroke:var(--soft);stroke-dasharray:3 4}
.picture .stop{stroke-width:3}
.fail .stop,.warn .stop{stroke:var(--tone)}
.scene{display:block;font-size:11px}
.scene text{fill:currentColor;text-anchor:middle}
.scene .start text{text-anchor:start}
.scene .name{font-weight:600}
.scene .soft{fill:var(--soft)}
.scene .answers{--tone:var(--pass)}.scene .partly{--tone:var(--warn)}.scene .broken{--tone:var(--fail)}.scene .unknown{--tone:var(--inconclusive)}.scene .not-asked{--tone:var(--na)}
.scene text:is(.answers,.partly,.broken,.unknown,.not-asked){fill:var(--tone);font-weight:600}
.scene rect{fill:var(--mono);stroke:var(--tone,var(--soft))}
.scene .frame{fill:none;stroke:var(--line)}
.scene .callout{fill:var(--card);stroke-width:1.5}
.scene path{fill:none;stroke:var(--tone,var(--text));stroke-width:1.5}
.scene .bus,.scene .leader{stroke-width:1}.scene .bus{stroke:var(--soft)}
.scene .partly .way{stroke-dasharray:8 4}
.scene .unknown .way,.scene .beyond{stroke-dasharray:2 4}
.scene .not-asked .way{stroke-dasharray:1 5}
.scene .stop{stroke-width:3}
.scene.wide{width:100%}.scene.tall{display:none;width:100%}
.card .scene+.scene+.seen{margin-top:.4rem}
@media (max-width:60rem){.scene.wide{display:none}.scene.tall{display:block}}
footer{color:var(--soft);font-size:.85rem;margin-top:2.5rem;border-top:1px solid var(--line);padding-top:.8rem}
@media (max-width:40rem){main{padding:.75rem .6rem 2rem}h1{font-size:1.35rem}.card,.banner{padding:.8rem .9rem}.says{grid-template-columns:1fr;gap:.1rem}.says dd{margin-bottom:.4rem}
.sheet,.sheet tbody,.sheet tr,.sheet tbody th{display:block}.sheet caption{display:block;padding:.45rem .4rem}.sheet thead{position:absolute;clip-path:inset(50%)}.sheet tbody th{width:auto;padding-bottom:.2rem}.sheet td{display:inline-block;border:0;padding-top:0}.sheet td[data-label]:not(:empty)::before{content:attr(data-label) ": ";color:var(--soft);font-size:.85rem}.sheet td:empty{display:none}.sheet .fold td{display:block}.sheet .drawn{display:block;max-width:none}.sheet.paths tbody th{width:auto}.paths thead th{overflow-wrap:anywhere}.paths tr:is(.fail,.warn,.inconclusive){box-shadow:inset 4px 0 var(--tone)}.pairs{grid-template-columns:1fr;gap:0}.pairs dd{margin-bottom:.3rem}.data:not(.matrix) :is(th,td){white-space:normal}}
@media print{:root{--back:#fff;--card:#fff;--text:#000;--soft:#444;--line:#bbb;--mono:#eee;--fail:#a11;--warn:#740;--inconclusive:#528;--pass:#060;--na:#555}
html{font-size:10.5px}body{font-size:1rem}main{max-width:none;padding:0}details::details-content{content-visibility:visible;block-size:auto}.scroll{overflow:visible}.scene.wide{display:block}.scene.tall{display:none}.picture{max-width:100%;height:auto}.sheet tr,.paths tbody{break-inside:avoid}}
`
