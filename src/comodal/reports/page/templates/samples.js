// The table of samples: rank lists, search, sorting, pages.

let data;
let model; // the explained run that is shown
let sorting = { column: null, down: false };
let page = 0;

const textOf = (id) => data.transcripts[id] || "";
const errorsOf = (run) => run.columns.find((column) => column.name === "error").values;

const columnsOf = (run) => [
  { name: "id", title: "Id", values: run.id },
  ...(run.id.some(textOf) ? [{ name: "transcript", title: "Transcript", values: run.id.map(textOf) }] : []),
  ...run.columns,
  // The table has no room for these of several outputs; the details of a sample do.
  ...(run.explained.length === 1 ? run.modalities : []).map((name) => ({
    name: `without:${name}`, title: `Without ${name}`, values: run.explained[0].without[name], digits: 2, minor: true,
  })),
  { name: "dependency", title: "Dependency", values: run.dependency, digits: 2 },
  { name: "percentile", title: "Percentile", values: run.percentile, digits: 0, minor: true },
  { name: "disagreeing", title: "Disagreeing", values: run.disagreeing },
];

const RANKS = {
  "none, as in the data": null,
  "most dependent first": (run) => run.dependency.map((value) => value),
  "least dependent first": (run) => run.dependency.map((value) => (isNumber(value) ? -value : null)),
  "largest errors first": errorsOf,
  "trusted but wrong: high dependency, large error": (run) => disagreement(run, 1),
  "doubted but right: low dependency, small error": (run) => disagreement(run, -1),
};

function disagreement(run, sign) {
  const error = errorsOf(run);
  const order = error.map((_, row) => row).sort((a, b) => error[a] - error[b]);
  const rank = [];
  order.forEach((row, place) => { rank[row] = (100 * place) / Math.max(order.length - 1, 1); });
  return run.percentile.map((value, row) => (isNumber(value) ? sign * (value + rank[row] - 100) : null));
}

// Rows that pass the search, in order; absent values last whichever way a column is sorted.
function chosenRows() {
  const wanted = at("search").value.normalize("NFKC").toLocaleLowerCase();
  const named = [model.id, ...model.columns.filter((column) => column.digits === undefined).map((column) => column.values)];
  const text = (row) => [...named.map((values) => values[row]), textOf(model.id[row])].join(" ").normalize("NFKC").toLocaleLowerCase();
  const rows = model.id.map((_, row) => row).filter((row) => !wanted || text(row).includes(wanted));
  const rank = RANKS[at("rank").value];
  const column = columnsOf(model).find((each) => each.name === sorting.column);
  if (column) sortBy(rows, column.values, sorting.down);
  else if (rank) sortBy(rows, rank(model), true);
  return rows;
}

function sortBy(rows, values, down) {
  const absent = (value) => value === null || value === undefined || value === "";
  rows.sort((a, b) => {
    const [x, y] = [values[a], values[b]];
    if (absent(x) || absent(y)) return absent(x) - absent(y);
    const order = isNumber(x) ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
    return down ? -order : order;
  });
}

function bodyCell(column, row) {
  const value = column.values[row];
  if (column.name === "id") {
    const open = make("button", { type: "button", class: "open" }, value);
    return make("th", { scope: "row" }, open);
  }
  if (column.name === "transcript") {
    return make("td", { class: "words-cell" }, make("div", { class: "clip", dir: "auto" }, value));
  }
  const text = column.digits === undefined ? (value || "–").replaceAll("+", "+\u200b") : number(value, column.digits);
  return make("td", { class: `${column.digits === undefined ? "" : "number"} ${column.minor ? "minor" : ""}` }, text);
}

function headCell(column) {
  const button = make("button", { type: "button", "data-sort": column.name, "data-testid": `sort-${column.name}` }, column.title);
  button.addEventListener("click", () => {
    sorting = { column: column.name, down: sorting.column === column.name && !sorting.down };
    page = 0;
    at("rank").selectedIndex = 0;
    showRows();
  });
  return make("th", { scope: "col", class: `${column.digits === undefined ? "" : "number"} ${column.minor ? "minor" : ""}`, "data-column": column.name }, button);
}

function showHead() {
  at("samples").tHead.replaceChildren(make("tr", {}, ...columnsOf(model).map(headCell)));
  const say = [model.axis, model.critic && `critic ${model.critic}`, model.split && `${model.split} part`];
  at("about-samples").textContent = `Dependency: ${say.filter(Boolean).join("; ")}. Low means that the modalities disagree. ${model.left_out}`;
}

function showRows() {
  const rows = chosenRows();
  const pages = Math.max(1, Math.ceil(rows.length / PAGE_SIZE));
  page = Math.min(page, pages - 1);
  const shown = rows.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  const columns = columnsOf(model);
  at("samples").tBodies[0].replaceChildren(...shown.map((row) =>
    make("tr", { "data-id": model.id[row] }, ...columns.map((column) => bodyCell(column, row)))));
  for (const head of at("samples").tHead.rows[0].cells) {
    const sorted = head.dataset.column === sorting.column;
    head.setAttribute("aria-sort", sorted ? (sorting.down ? "descending" : "ascending") : "none");
  }
  const range = shown.length ? `${page * PAGE_SIZE + 1} to ${page * PAGE_SIZE + shown.length}` : "none";
  at("shown").textContent = `Showing ${range} of ${rows.length}, page ${page + 1} of ${pages}`;
  at("previous").disabled = page === 0;
  at("next").disabled = page >= pages - 1;
}

function turn(step) {
  page += step;
  showRows();
}

function prepareSamples() {
  if (!at("samples")) return;
  data.explanations.forEach((run, rank) => at("model").append(make("option", { value: rank }, run.label)));
  at("rank").append(...Object.keys(RANKS).map((name) => make("option", { value: name }, name)));
  const restart = () => { page = 0; showRows(); };
  at("model").addEventListener("change", () => { model = data.explanations[at("model").value]; showHead(); restart(); });
  at("rank").addEventListener("change", () => { sorting = { column: null, down: false }; restart(); });
  at("search").addEventListener("input", restart);
  at("previous").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  at("samples").tBodies[0].addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-id]");
    if (row) openDetail(row.dataset.id, model.label);
  });
  at("download-samples").addEventListener("click", () => save("samples.csv", csv(sampleColumns()), "text/csv"));
  at("close-detail").addEventListener("click", () => at("detail").close());
  model = data.explanations[0];
  showHead();
  showRows();
}

function sampleColumns() {
  const columns = Object.fromEntries(columnsOf(model).map((column) => [column.name, column.values]));
  for (const [name, values] of Object.entries(model.swapped)) columns[`swapped:${name}`] = values;
  return { group: model.group, ...columns };
}
