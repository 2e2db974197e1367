// Figures: their choices, drawing, pictures, and data as a table.

const figures = new Map(); // name to { element, plot, selects, card, key }

const matches = (variant, key, length) => key.slice(0, length).every((part, rank) => variant.key[rank] === part);

// Later selects offer only what fits the earlier ones; a value that is no longer offered falls back to the first.
function fillSelects({ selects, card }) {
  const key = [];
  selects.forEach((select, rank) => {
    const fitting = card.variants.filter((variant) => matches(variant, key, rank));
    const options = [...new Set(fitting.map((variant) => variant.key[rank]))];
    const wanted = options.includes(select.value) ? select.value : options[0];
    select.replaceChildren(...options.map((option) => make("option", { value: option }, option)));
    select.value = wanted;
    select.parentElement.hidden = options.length < 2 && selects.length === 1;
    key.push(wanted);
  });
  return key;
}

function drawFigure(name, palette = theme(), paper = null) {
  const shown = figures.get(name);
  shown.key = fillSelects(shown);
  const variant = shown.card.variants.find((each) => matches(each, shown.key, shown.key.length));
  const layout = structuredClone(variant.layout);
  layout.template = data.themes[palette];
  layout.autosize = true;
  // On a narrow screen the legend stands above the plot, a line an entry.
  const entries = variant.data.filter((trace) => trace.showlegend !== false && trace.name).length;
  if (root.clientWidth < 600 && entries > 2) layout.height += 20 * entries;
  if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false; // a finger scrolls the page
  if (paper) layout.width = paper;
  shown.plot.style.minWidth = layout.meta && !paper ? `${layout.meta.min_width}px` : "";
  for (const part of document.querySelectorAll(`[data-of="${name}"]`)) part.hidden = part.dataset.key !== shown.key[0];
  return Plotly.react(shown.plot, structuredClone(variant.data), layout, { displayModeBar: false, responsive: true });
}

function fileName(name) {
  return [name, ...figures.get(name).key].join("--").replace(/[^\p{L}\p{N}.]+/gu, "-");
}

function prepareFigure(element) {
  const name = element.dataset.figure;
  const card = data.figures[name];
  const selects = [...element.querySelectorAll("select[data-selector]")];
  figures.set(name, { element, card, selects, plot: element.querySelector(".plot"), key: [] });
  for (const select of selects) select.addEventListener("change", () => drawFigure(name));
  element.querySelector("[data-download]").addEventListener("click", () => save(`${name}.csv`, csv(card.columns), "text/csv"));
  for (const button of element.querySelectorAll("[data-image]")) {
    button.addEventListener("click", () => saveImage(name, button.dataset.format));
  }
  const details = element.querySelector("details[data-table]");
  details.addEventListener("toggle", () => fillDataTable(details, card.columns), { once: true });
}

// Saved pictures have a white background in either theme.
async function saveImage(name, format) {
  const { plot } = figures.get(name);
  const layout = { ...plot.layout, template: data.themes.light, paper_bgcolor: "white", plot_bgcolor: "white" };
  const size = { width: 760, height: layout.height, scale: format === "png" ? 2 : 1 };
  await Plotly.downloadImage({ data: plot.data, layout }, { format, filename: fileName(name), ...size });
}

function fillDataTable(details, columns) {
  const names = Object.keys(columns);
  const total = columns[names[0]].length;
  const cells = (row) => names.map((name) => make("td", {}, String(columns[name][row] ?? "")));
  const rows = Array.from({ length: Math.min(total, TABLE_ROWS) }, (_, row) => make("tr", {}, ...cells(row)));
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
  const said = total > TABLE_ROWS ? `The first ${TABLE_ROWS} of ${total} rows; the CSV file holds all.` : `${total} rows`;
  const table = make("table", {}, make("caption", {}, said), make("thead", {}, head), make("tbody", {}, ...rows));
  details.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Data of the figure" }, table));
}

async function drawAll() {
  for (const name of figures.keys()) {
    await new Promise((resolve) => setTimeout(resolve)); // keeps the page responsive between two figures
    await drawFigure(name);
  }
  const map = figures.get("map");
  if (map) map.plot.on("plotly_click", ({ points }) => openDetail(points[0].customdata, map.key[0]));
}

function recolour() {
  nameTheme();
  if (window.Plotly) for (const name of figures.keys()) drawFigure(name);
}
