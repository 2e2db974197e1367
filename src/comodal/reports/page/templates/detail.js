// The details of one sample, with its attributions.

function smallTable(caption, head, rows) {
  const cells = (row) => row.map((cell, rank) => make(rank ? "td" : "th", rank ? { class: "number" } : { scope: "row" }, cell));
  const heads = head.map((cell, rank) => make("th", { scope: "col", class: rank ? "number" : "" }, cell));
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row))));
  return make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...heads)), body);
}

function openDetail(id, label) {
  const run = data.explanations.find((each) => each.label === label);
  const row = run.id.indexOf(id);
  if (row < 0) return;
  at("detail-title").textContent = id;
  const swapped = Object.entries(run.swapped).map(([name, values]) => [`${name} of another sample`, number(values[row]), signed(values[row] - run.dependency[row])]);
  const values = run.columns.map(({ title, values, digits }) => `${title}: ${digits === undefined ? values[row] || "none" : number(values[row], digits)}`);
  const body = [
    make("blockquote", { dir: "auto" }, textOf(id) || "(no transcript)"),
    make("p", {}, `${run.label}; group ${run.group[row]}. ${values.join("; ")}.`),
    ...run.explained.map((each) => withoutEach(run, each, row)),
  ];
  if (isNumber(run.dependency[row])) {
    const said = `${run.axis}; percentile ${number(run.percentile[row], 0)}; disagreeing: ${run.disagreeing[row] || "none"}`;
    body.push(smallTable(said, ["Modalities", "Dependency", "Change"], [["as recorded", number(run.dependency[row]), ""], ...swapped]));
  }
  const given = run === data.explanations[0] ? data.attributions[id] || [] : [];
  at("detail-body").replaceChildren(...body, ...given.flatMap(attribution));
  at("detail").showModal();
  at("detail").scrollTop = 0;
}

// The prediction, or the probability of the explained class, with all modalities and without each.
function withoutEach(run, { of, all, without }, row) {
  const lines = run.modalities.map((name) => [`without ${name}`, number(without[name][row]), signed(without[name][row] - all[row])]);
  return smallTable(`Prediction${of[row] && `, ${of[row]}`}`, ["Modalities", "Prediction", "Change"], [["all", number(all[row]), ""], ...lines]);
}

function attribution(given) {
  const title = make("h4", {}, `${given.modality}: moves ${given.moved} by ${signed(given.total)}`);
  const features = given.features.map(([which, value]) => `${which} (${signed(value)})`).join(", ");
  const about = make("p", {}, features ? `Largest contributions of features: ${features}.` : "");
  if (!given.frames.length) return [title, about];
  return [title, given.words.length ? wordMarks(given) : frameBars(given), about];
}

function wordMarks({ words, frames }) {
  const mark = (word, rank) => {
    const side = frames[rank] > 0 ? "up" : frames[rank] < 0 ? "down" : "";
    return make("span", { class: `word ${side}` }, make("bdi", {}, word), make("small", {}, signed(frames[rank])));
  };
  return make("div", { class: "words", dir: "auto" }, ...words.map(mark));
}

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function frameBars({ frames, length, modality }) {
  const reach = Math.max(...frames.map(Math.abs), 1e-12);
  const bars = frames.map((value, rank) => {
    const height = (46 * Math.abs(value)) / reach;
    const y = value > 0 ? 50 - height : 50;
    return svg("rect", { x: rank + 0.1, y, width: 0.8, height, class: value > 0 ? "up" : "down" });
  });
  const largest = frames.reduce((best, value, rank) => (Math.abs(value) > Math.abs(frames[best]) ? rank : best), 0);
  const from = Math.floor((largest * length) / frames.length) + 1;
  const said = `${length} frames of ${modality} from first to last; the largest contribution, ${signed(frames[largest])}, is at frame ${from}`;
  const drawing = svg("svg", { viewBox: `0 0 ${frames.length} 100`, preserveAspectRatio: "none", class: "bars", role: "img", "aria-label": said },
    svg("line", { x1: 0, x2: frames.length, y1: 50, y2: 50, "vector-effect": "non-scaling-stroke" }), ...bars);
  return make("div", {}, drawing, make("small", {}, `${said}.`));
}
