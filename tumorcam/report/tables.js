"use strict";
// Tables of a tumorcam report: they sort, filter, copy and download. Nothing is requested.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);
const h = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
};
const number = (text) => parseFloat(text.replace("−", "-").replace(/^[<≈] /, "").replaceAll(",", ""));
const compare = (a, b) => {
  const [x, y] = [number(a), number(b)];
  if (isNaN(x) && isNaN(y)) return a.localeCompare(b, "en", { numeric: true });
  return isNaN(x) ? 1 : isNaN(y) ? -1 : x - y;
};
const save = (name, content, type) => h("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name }).click();
const plainCell = (text) => (/^[=+\-@\t\r]/.test(text) && isNaN(number(text)) ? `'${text}` : text);
const csvCell = (text) => `"${plainCell(text.replace("−", "-")).replaceAll('"', '""')}"`;
const csv = (rows) => rows.map((row) => `${row.map(csvCell).join(",")}\n`).join("");
const STEP = 50; // rows that a long table shows at first, and adds at a time

// A row is {cells: texts, grade: of evidence, node: function that gives its tr}; a table of the page has its own.
function enhance(table, name, rows = null) {
  const headers = all("thead th", table);
  const titles = headers.map((header) => header.textContent.trim());
  const grades = titles.indexOf("Evidence");
  rows ??= all("tbody tr", table).map((row) => {
    const cells = [...row.cells].map((cell) => cell.textContent.trim());
    return { cells, grade: cells[grades], node: () => row };
  });
  const state = { column: -1, descending: false, limit: STEP, text: "", grade: "" };
  const chosen = () => {
    const part = rows.filter(
      (row) => (!state.grade || row.grade === state.grade) && (!state.text || row.cells.join(" ").toLowerCase().includes(state.text)),
    );
    if (state.column < 0) return part;
    part.sort((a, b) => compare(a.cells[state.column], b.cells[state.column]));
    return state.descending ? part.reverse() : part;
  };
  const status = h("output", { class: "muted" });
  const more = h("button", { type: "button", onclick: () => draw((state.limit += STEP)) }, `Show ${STEP} more`);
  const draw = () => {
    const part = chosen();
    table.tBodies[0].replaceChildren(...part.slice(0, state.limit).map((row) => row.node()));
    more.hidden = part.length <= state.limit;
    status.textContent = `${Math.min(part.length, state.limit).toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
  };
  const restart = (changes) => (Object.assign(state, changes, { limit: STEP }), draw());
  headers.forEach((header, column) => {
    const button = h("button", { type: "button" }, ...header.childNodes);
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = header.ariaSort === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.ariaSort = descending ? "descending" : "ascending";
      restart({ column, descending });
    });
  });
  const lines = () => [titles, ...chosen().map((row) => row.cells)];
  const copy = async (event) => {
    await navigator.clipboard.writeText(lines().map((row) => row.join("\t")).join("\n"));
    event.target.textContent = "Copied";
  };
  const tools = h("p", { class: "tools" });
  if (rows.length > 10) {
    tools.append(h("label", {}, "Filter ", h("input", { type: "search", size: 12, oninput: (event) => restart({ text: event.target.value.trim().toLowerCase() }) })));
    if (grades >= 0) {
      const grade = h("select", { onchange: (event) => restart({ grade: event.target.value }) }, h("option", { value: "" }, "any"));
      grade.append(...[...new Set(rows.map((row) => row.grade))].map((text) => h("option", {}, text)));
      tools.append(h("label", {}, "Evidence ", grade));
    }
  }
  tools.append(h("button", { type: "button", onclick: copy }, "Copy"), h("button", { type: "button", onclick: () => save(`${name}.csv`, csv(lines()), "text/csv") }, "CSV"), status);
  (table.closest(".scroll") ?? table).before(tools);
  (table.closest(".scroll") ?? table).after(h("p", { class: "tools" }, more));
  draw();
}
all("table.sortable").forEach((table, i) => enhance(table, table.id || `table-${i + 1}`));

const switchTheme = (root = document.documentElement) => (root.dataset.theme = getComputedStyle(root).colorScheme === "dark" ? "light" : "dark");
document.querySelector("nav").append(h("button", { type: "button", id: "theme", onclick: () => switchTheme() }, "Light or dark"));
