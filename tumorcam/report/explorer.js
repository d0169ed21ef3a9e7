"use strict";
// The search and the panels of genes and tumors. All data stand in the page; nothing is requested.
const link = (kind, name) => h("a", { href: `#${kind}/${encodeURIComponent(name)}` }, name);
const fixed = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits).replace("-", "−").replace(/^−(0\.?0*)$/, "$1") : "–");
const small = (value) => (!Number.isFinite(value) ? "–" : value > 0 && value < 0.001 ? "< 0.001" : fixed(value, 3));

const tableOf = (name, columns, indices, { grade = () => null, texts, nodes = () => ({}) }) => {
  const head = h("tr", {}, ...columns.map(([title, kind, help]) => h("th", { scope: "col", class: kind, title: help ?? null }, title)));
  const table = h("table", {}, h("thead", {}, head), h("tbody"));
  const content = h("div", {}, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, table));
  const cell = (text, i, node) => h(i === 0 ? "th" : "td", { class: columns[i][1], scope: i === 0 ? "row" : null }, node?.() ?? text);
  const row = { // texts are made when they are needed: a tumor has 20,000 rows
    get cells() { return (this.made ??= texts(this.index, this.place)); },
    node() { return h("tr", {}, ...this.cells.map((text, i) => cell(text, i, nodes(this.index)[i]))); },
  };
  enhance(table, name, indices.map((index, place) => Object.assign(Object.create(row), { index, place, grade: grade(index) })));
  return content;
};
// ---- Data of the run ----
const run = JSON.parse(byId("run-data").textContent);
const [nTumors, nGenes] = [run.tumors.length, run.genes.length];
async function unpack({ type, step, offset = 0, data }) {
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (type === "byte") return { whole: planes, at: (i) => (planes[i] === 255 ? NaN : offset + planes[i] * step) };
  const half = planes.length / 2;
  const whole = new Int16Array(half);
  for (let i = 0; i < half; i++) whole[i] = planes[i] | (planes[half + i] << 8);
  return { whole, at: (i) => (whole[i] === -32768 ? NaN : whole[i] * step) };
}
const arrays = {};
const ready = Promise.all(Object.entries(run.arrays).map(async ([name, packed]) => (arrays[name] = await unpack(packed)))).then(() => {
  const { whole } = arrays.expression; // each quantile is stored as the step from the one below
  for (let i = nTumors * nGenes; i < whole.length; i++) whole[i] = (whole[i] + whole[i - nTumors * nGenes]) & 255;
});
let ranking = run.rankings[0];
const value = (name, tumor, gene, key = ranking.key) => arrays[`${key}/${name}`]?.at(tumor * nGenes + gene) ?? NaN;
const column = (name, tumor, n = nGenes) => Float64Array.from({ length: n }, (_, i) => arrays[name].at(tumor * n + i));
const shared = (name, tumor, gene) => arrays[name].at(tumor * nGenes + gene);
const grade = (tumor, gene, key = ranking.key) => run.evidence[value("evidence", tumor, gene, key)];
const badge = (text) => h("span", { class: `badge ${text}` }, text);
const speaks = (tumor, gene) => (shared("change", tumor, gene) > 0 ? "high" : shared("change", tumor, gene) < 0 ? "low" : "–");
const byScore = (score) => (a, b) => (score(b) > -Infinity ? score(b) : -Infinity) - (score(a) > -Infinity ? score(a) : -Infinity) || a - b;
const isLearned = (tumor, gene) => grade(tumor, gene) === "learned";
const range = (n) => Array.from({ length: n }, (_, i) => i);

// ---- Charts ----
const [BLUE, ORANGE, GREY] = ["#1f83c6", "#d9661f", "#8a94a0"]; // apart for any colour vision, on light and dark
const chartWidth = (width = byId("panel").clientWidth) => Math.max(340, Math.min(640, (width < 900 ? width : width / 2 - 20) - 4));
const chart = (name, caption, options) => {
  const svg = Plot.plot({ width: chartWidth(), style: { fontSize: "12px", background: "none" }, ariaLabel: caption, ...options });
  svg.setAttribute("role", "img");
  all("g[aria-label]", svg).forEach((group) => group.removeAttribute("aria-label"));
  const source = () => {
    const copy = svg.cloneNode(true);
    copy.style.color = "#1b2430";
    return `<?xml version="1.0"?>\n${new XMLSerializer().serializeToString(copy)}`;
  };
  const png = () => {
    const [image, canvas] = [new Image(), h("canvas", { width: 3 * svg.clientWidth, height: 3 * svg.clientHeight })];
    image.onload = () => {
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(`${name}.png`, blob, "image/png"));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source())}`;
  };
  const button = (title, onclick) => h("button", { type: "button", onclick }, title);
  return h("figure", {}, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, svg),
    h("figcaption", {}, caption, " ", h("span", { class: "tools" }, button("SVG", () => save(`${name}.svg`, source(), "image/svg+xml")), button("PNG", png))));
};
const left = Math.min(260, 24 + 7.5 * Math.max(...run.tumors.map((name) => name.length)));

function genePanel(gene) {
  const name = run.genes[gene];
  const order = range(nTumors).sort(byScore((t) => value("score", t, gene)));
  const rows = order.map((t) => ({ tumor: run.tumors[t], t, score: value("score", t, gene), margin: value("margin", t, gene), learned: isLearned(t, gene) }));
  const learned = rows.filter((row) => row.learned).map((row) => `${row.tumor} (${speaks(row.t, gene)} expression)`);
  const other = run.rankings.find((r) => r.method === ranking.method && r !== ranking);
  const symbol = encodeURIComponent(run.symbols[gene]);
  const sites = { Ensembl: `https://www.ensembl.org/Homo_sapiens/Gene/Summary?g=${symbol}`, NCBI: `https://www.ncbi.nlm.nih.gov/gene/?term=${symbol}`,
    "Human Protein Atlas": `https://www.proteinatlas.org/search/${symbol}`, GEPIA: `http://gepia.cancer-pku.cn/detail.php?gene=${symbol}` };
  const boxes = order.filter((t) => Number.isFinite(shared("expression", t, gene))).map((t) => {
    const [low, q1, median, q3, high] = range(5).map((q) => shared("expression", q * nTumors + t, gene));
    return { tumor: run.tumors[t], low, q1, median, q3, high, color: isLearned(t, gene) ? BLUE : GREY };
  });
  const y = { domain: order.map((t) => run.tumors[t]), label: null };
  return [
    h("h3", { tabindex: -1 }, name), ...(run.aliases[gene]?.length ? [h("p", { class: "muted" }, `Also: ${run.aliases[gene].join(", ")}`)] : []),
    h("p", {}, learned.length ? `Learned in ${learned.length} of ${nTumors} tumors: ${learned.join(", ")}.` : `Learned in none of the ${nTumors} tumors.`),
    h("p", { class: "links" }, ...Object.entries(sites).flatMap(([title, href]) => [h("a", { href, rel: "noreferrer noopener", target: "_blank" }, title), " "])),
    h("div", { class: "columns" },
      chart(`${name}-scores`, `Score of ${name} in each tumor by ${ranking.title} (dot; filled: learned) and of its decoy (bar).${other ? ` Ring in orange: ${other.view} view.` : ""}`, {
        marginLeft: left, y, x: { label: "score", grid: true }, marks: [
          Plot.ruleX([0]), Plot.link(rows.filter((r) => Number.isFinite(r.margin)), { x1: (r) => r.score - r.margin, x2: "score", y1: "tumor", y2: "tumor", stroke: GREY }),
          Plot.tickX(rows, { x: (r) => r.score - r.margin, y: "tumor", stroke: GREY, strokeWidth: 3 }),
          ...(other ? [Plot.dot(rows, { x: (r) => value("score", r.t, gene, other.key), y: "tumor", stroke: ORANGE, r: 4 })] : []),
          Plot.dot(rows, { x: "score", y: "tumor", fill: (r) => (r.learned ? BLUE : "none"), stroke: BLUE, r: 4.5, tip: true, title: (r) => `${r.tumor}: score ${fixed(r.score)}, margin ${fixed(r.margin)}` })] }),
      chart(`${name}-expression`, `Expression of ${name}, log2(x + 1): median, quartiles, and 5 to 95 % of the samples. Blue: learned.`, {
        marginLeft: left, y, x: { label: "log₂(x + 1)", grid: true }, marks: [
          Plot.ruleY(boxes, { x1: "low", x2: "high", y: "tumor", stroke: "color" }), Plot.barX(boxes, { x1: "q1", x2: "q3", y: "tumor", fill: "color", fillOpacity: 0.45 }),
          Plot.tickX(boxes, { x: "median", y: "tumor", stroke: "currentColor", strokeWidth: 2 })] })),
    tableOf(`${name}`, [["Tumor", ""], ["Evidence", ""], ["Speaks by", "", "high or low expression speaks for the tumor"], ["Score", "n"], ["Margin", "n"], ["q_decoy", "n"], ["Replication", "n"],
      ["AUROC", "n"], ["log₂ FC", "n"]],
      order, { grade: (t) => grade(t, gene), nodes: (t) => ({ 0: () => link("tumor", run.tumors[t]), 1: () => badge(grade(t, gene)) }),
        texts: (t) => [run.tumors[t], grade(t, gene), isLearned(t, gene) ? speaks(t, gene) : "–", fixed(value("score", t, gene)), fixed(value("margin", t, gene)), small(value("q_decoy", t, gene)),
          fixed(value("replication", t, gene)), fixed(shared("auroc", t, gene)), fixed(shared("change", t, gene))] }),
    h("h4", {}, "Score in every ranking"),
    tableOf(`${name}, every ranking`, [["Tumor", ""], ...run.rankings.map((r) => [r.title, "n"])],
      order, { texts: (t) => [run.tumors[t], ...run.rankings.map((r) => fixed(value("score", t, gene, r.key)))], nodes: (t) => ({ 0: () => link("tumor", run.tumors[t]) }) }),
  ];
}

function saliencyImage(tumor) {
  const values = new Float64Array([...column(`${run.rankings[0].key}/score`, tumor), ...column("decoys", tumor, run.decoys.length)]);
  const ascending = values.map(Math.abs).filter(Number.isFinite).sort();
  const limit = ascending[Math.floor(0.998 * ascending.length)] || 1; // a few of the largest are cut
  const canvas = h("canvas", { width: run.side, height: run.side, class: "pixels", role: "img", "aria-label": `Mean saliency image of ${run.tumors[tumor]}` });
  const [context, at] = [canvas.getContext("2d"), new Int32Array(run.side ** 2).fill(-1)];
  const colors = range(255).map((i) => d3.color(d3.interpolatePuOr(i / 254))).map(({ r, g, b }) => [r, g, b, 255]);
  const picture = context.createImageData(run.side, run.side);
  run.pixels.forEach((pixel, i) => {
    at[pixel] = i;
    picture.data.set(colors[Math.round(127 * (1 + Math.max(-1, Math.min(1, (values[i] || 0) / limit))))], 4 * pixel);
  });
  context.putImageData(picture, 0, 0);
  const text = h("output", {}, "Point at a pixel to see its gene.");
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const [row, column] = [event.clientY - box.top, event.clientX - box.left].map((d) => Math.min(run.side - 1, Math.max(0, Math.floor((d / box.width) * run.side))));
    const i = at[row * run.side + column];
    text.textContent = i < 0 ? "empty pixel" : `${i < nGenes ? run.genes[i] : `decoy of ${run.genes[run.decoys[i - nGenes]]}`}: ${fixed(values[i])}`;
  });
  return h("figure", {}, canvas, h("figcaption", {}, text, h("br"), `Scores of genes and decoys of ${run.tumors[tumor]} at their pixels in the first layout (${run.rankings[0].title}); orange is high, from −${fixed(limit, 1)} to ${fixed(limit, 1)}.`));
}

function tumorPanel(tumor) {
  const name = run.tumors[tumor];
  const listed = new Map(ranking.listed[tumor].map(([gene, ...rest]) => [gene, rest]));
  const rankOf = (g) => listed.get(g)?.[0] ?? Infinity;
  const [scores, change, codes] = [column(`${ranking.key}/score`, tumor), column("change", tumor), column(`${ranking.key}/evidence`, tumor)];
  const gradeOf = (g) => run.evidence[codes[g]];
  const order = range(nGenes).filter((g) => Number.isFinite(scores[g])).sort((a, b) => scores[b] - scores[a] || rankOf(a) - rankOf(b));
  const learned = order.filter((g) => gradeOf(g) === "learned");
  const tested = new Set(run.tested[tumor]);
  const changes = [...order].sort((a, b) => Math.abs(change[b]) - Math.abs(change[a]));
  const kinds = { "learned, and first by t-test": BLUE, "learned, not first by t-test": ORANGE, "not learned, first by t-test": "#2a9d6f", neither: GREY };
  const kind = (g) => Object.keys(kinds)[gradeOf(g) === "learned" ? (tested.has(g) ? 0 : 1) : tested.has(g) ? 2 : 3];
  const points = [...new Set([...learned, ...tested, ...order.slice(0, 300), ...changes.slice(0, 300)])].map((g) => ({ gene: run.genes[g], x: change[g], y: scores[g], kind: kind(g) }));
  const spans = learned.slice(0, 40).filter((g) => listed.get(g)).map((g) => ({ gene: run.genes[g], rank: listed.get(g)[0], low: listed.get(g)[1], high: listed.get(g)[2] }));
  return [
    h("h3", { tabindex: -1 }, name), h("p", {}, run.facts[tumor]),
    h("p", {}, `${learned.length} genes are learned by ${ranking.title}: ${learned.filter((g) => speaks(tumor, g) === "high").length} by their high expression, ${learned.filter((g) => speaks(tumor, g) === "low").length} by their low expression in ${name}.`),
    tableOf(`${name}`, [["Gene", ""], ["Rank", "n", "1 is the highest score; ≈: of rounded scores"], ["95 %", "n", "interval of the rank"], ["Evidence", ""], ["Speaks by", "", "high or low expression speaks for the tumor"], ["Score", "n"], ["Margin", "n"], ["q_decoy", "n"],
      ["q_value", "n"], ["Replication", "n"], ["AUROC", "n"], ["log₂ FC", "n"]],
      order, { grade: gradeOf, nodes: (g) => ({ 0: () => link("gene", run.genes[g]), 3: () => badge(gradeOf(g)) }),
        texts: (g, i) => [run.genes[g], listed.has(g) ? String(listed.get(g)[0]) : `≈ ${i + 1}`, listed.get(g)?.[1] ? `${listed.get(g)[1]}–${listed.get(g)[2]}` : "–", gradeOf(g), gradeOf(g) === "learned" ? speaks(tumor, g) : "–", fixed(scores[g]),
          fixed(value("margin", tumor, g)), small(value("q_decoy", tumor, g)), listed.has(g) ? small(listed.get(g)[3] ?? NaN) : "–", fixed(value("replication", tumor, g)), fixed(shared("auroc", tumor, g)), fixed(change[g])] }),
    h("div", { class: "columns" },
      chart(`${name}-volcano`, `Score against log₂ fold change in ${name}: the ${points.length.toLocaleString("en")} genes of ${nGenes.toLocaleString("en")} that stand out on an axis, are learned, or come first in the t-test (as many as are learned, ${run.tested[tumor].length}).`, {
        marginTop: 85, height: 460, x: { label: "log₂ fold change", grid: true }, y: { label: "score", grid: true }, marks: [
          Plot.dot(points, { x: "x", y: "y", fill: (p) => kinds[p.kind], r: (p) => (p.kind === "neither" ? 2 : 3.5), title: "gene", tip: true }), Plot.text(points.filter((p) => p.kind.startsWith("learned")).slice(0, 8), { x: "x", y: "y", text: "gene", dy: -9, fontSize: 12 }),
          ...Object.entries(kinds).map(([title, fill], i) => Plot.text([`● ${title}`], { frameAnchor: "top-left", dy: 15 * i - 80, fill, fontSize: 12 }))] }),
      saliencyImage(tumor)),
    ...(spans.length ? [chart(`${name}-stability`, `Rank of the first ${spans.length} learned genes of ${name}, and its 95 % interval when patients are drawn again.`, {
      marginLeft: 130, height: 60 + 18 * spans.length, x: { label: "rank", type: "log", grid: true }, y: { domain: spans.map((s) => s.gene), label: null }, marks: [
        Plot.link(spans, { x1: "low", x2: "high", y1: "gene", y2: "gene", stroke: GREY, strokeWidth: 3 }), Plot.dot(spans, { x: "rank", y: "gene", fill: BLUE })] })] : []),
  ];
}

// ---- Search and links: #gene/NAME and #tumor/NAME ----
const entries = [...run.tumors.map((name, index) => ({ kind: "tumor", name, index, terms: [name.toLowerCase()] })),
  ...run.genes.map((name, index) => ({ kind: "gene", name, index, terms: [name, run.symbols[index], ...(run.aliases[index] ?? [])].map((term) => term.toLowerCase()) }))];
const route = async () => {
  const [, kind, code] = location.hash.match(/^#(gene|tumor)\/(.*)$/) ?? [];
  if (!kind) return;
  await ready;
  const text = /%(?![0-9a-f]{2})/i.test(code) ? code : decodeURIComponent(code);
  const entry = entries.find((e) => e.kind === kind && e.name === text) ?? entries.find((e) => e.kind === kind && e.terms.includes(text.toLowerCase()));
  byId("panel").replaceChildren(...(entry ? (kind === "gene" ? genePanel : tumorPanel)(entry.index) : [h("p", {}, `This run has no ${kind} “${text}”.`)]));
  byId("explore").scrollIntoView();
  byId("panel").querySelector("h3")?.focus({ preventScroll: true });
};
const [box, options] = [byId("search"), byId("matches")];
const level = (text) => ({ terms }) => Math.min(...terms.map((term) => (term === text ? 0 : term.startsWith(text) ? 1 : term.includes(text) ? 2 : 9)));
const matches = (text) => (text ? d3.sort(entries.filter((e) => level(text)(e) < 9), level(text)).slice(0, 10) : []);
let [hits, active] = [[], 0];
const offer = (isOpen = hits.length > 0) => {
  options.replaceChildren(...hits.map((e, i) => h("li", { id: `match-${i}`, role: "option", "aria-selected": String(i === active), onmousedown: () => choose(e) }, e.name, " ", h("span", { class: "muted" }, e.kind))));
  options.hidden = !isOpen;
  box.setAttribute("aria-expanded", String(isOpen));
  box.setAttribute("aria-activedescendant", isOpen ? `match-${active}` : "");
};
const choose = (e) => {
  offer(false);
  box.value = e.name;
  if (location.hash === link(e.kind, e.name).hash) route();
  else location.hash = link(e.kind, e.name).hash;
};
box.addEventListener("input", () => {
  [hits, active] = [matches(box.value.trim().toLowerCase()), 0];
  byId("no-match").textContent = box.value.trim() && !hits.length ? "No gene or tumor of this run has this name." : "";
  offer();
});
box.addEventListener("blur", () => offer(false));
box.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: hits.length - 1 }[event.key];
  if (event.key === "Enter" && hits[active]) choose(hits[active]);
  else if (event.key === "Escape") offer(false);
  else if (step) {
    active = (active + step) % (hits.length || 1);
    offer();
    event.preventDefault();
  }
});
byId("ranking").append(...run.rankings.map((r) => h("option", { value: r.key }, r.title)));
byId("ranking").addEventListener("change", (event) => ((ranking = run.rankings[event.target.selectedIndex]), route()));
addEventListener("hashchange", route);
route();
