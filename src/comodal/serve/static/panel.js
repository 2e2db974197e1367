// The panel of the live page: asks what the page's own server answers, and shows texts as texts.
(() => {
  "use strict";
  const at = (id) => document.getElementById(id);
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const ACTS = { on: "as it is", off: "off", swap: "another sample's", noise: "with noise" };
  const known = new Map(); // id to transcript, as found so far
  const controls = new Map(); // modality to its controls
  let facts;
  const MOST = 10; // probabilities in the table; of more classes, the largest and that of the label
  let asked = 0;

  async function request(path, body) {
    const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(path, body && post);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }

  async function suggest(input, list, beside = "") {
    const query = input.value;
    const asks = new URLSearchParams({ q: query.slice(0, 200), beside });
    const found = await request(`api/samples?${asks}`);
    if (input.value !== query) return;
    for (const each of found) known.set(each.id, each.transcript);
    list.replaceChildren(...found.map((each) => make("option", { value: each.id, label: `${each.id}  ${each.transcript}` })));
  }

  function chooser(input, list, beside = () => "") {
    input.addEventListener("input", () => suggest(input, list, beside()).then(ask, fail));
    input.addEventListener("focus", () => suggest(input, list, beside()).catch(fail));
  }

  const chosen = () => (known.has(at("live-sample").value) ? at("live-sample").value : "");

  // A donor that was never chosen, or no longer can be one, is the first that can.
  async function lend(donor, list) {
    if (known.has(donor.value) && donor.value !== chosen()) return;
    donor.value = "";
    await suggest(donor, list, chosen());
    donor.value = list.firstElementChild?.value ?? "";
  }

  function fieldset(name, hasNoise) {
    const act = make("select", { "aria-label": `what is done to ${name}` });
    for (const [value, label] of Object.entries(ACTS)) {
      if (value !== "noise" || hasNoise) act.append(make("option", { value }, label));
    }
    const list = make("datalist", { id: `live-donors-${name}` });
    const donor = make("input", { type: "search", list: list.id, autocomplete: "off" });
    const donorField = make("label", {}, "taken from", donor, list);
    // A label names its first control, which here is the output.
    const severity = make("input", { type: "range", "aria-label": `standard deviations of noise in ${name}`, min: "0", max: "1", step: "0.05", value: "0.5" });
    const shown = make("output", {}, "0.50");
    const severityField = make("label", {}, make("span", {}, "standard deviations of noise: ", shown), severity);
    const reveal = () => {
      donorField.hidden = act.value !== "swap";
      severityField.hidden = act.value !== "noise";
    };
    act.addEventListener("change", () => {
      reveal();
      (act.value === "swap" ? lend(donor, list) : Promise.resolve()).then(ask, fail);
    });
    severity.addEventListener("input", () => { shown.value = Number(severity.value).toFixed(2); ask(); });
    chooser(donor, list, chosen);
    reveal();
    controls.set(name, { act, donor, severity });
    return make("fieldset", { "data-modality": name }, make("legend", {}, name), act, donorField, severityField);
  }

  function question() {
    const modalities = {};
    for (const [name, { act, donor, severity }] of controls) {
      if (act.value === "swap" && !known.has(donor.value)) continue; // not chosen yet
      modalities[name] = { act: act.value };
      if (act.value === "swap") modalities[name].donor = donor.value;
      if (act.value === "noise") modalities[name].severity = Number(severity.value);
    }
    return { id: at("live-sample").value, modalities };
  }

  async function ask() {
    const wanted = question();
    at("live-transcript").textContent = known.get(wanted.id) ?? "";
    if (!known.has(wanted.id)) return;
    if ([...controls.values()].every(({ act }) => act.value === "off")) {
      fail(new Error("Every modality is off: leave one on."));
      return;
    }
    const mine = ++asked; // an answer that a later question has overtaken is dropped
    try {
      const answer = await request("api/predict", wanted);
      if (mine === asked) show(answer);
      if (mine !== asked || !at("live-why").open) return;
      const found = await request("api/attribute", { ...wanted, output: at("live-output").value });
      if (mine === asked) at("live-contributions").replaceChildren(...found.map(contributions));
    } catch (error) {
      if (mine === asked) fail(error);
    }
  }

  const signed = (value, digits = 2) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);

  // One scale: from the hollow circle (as it is) to the filled one (changed); the triangle is the label.
  function scale(clean, changed, label) {
    const [low, high] = facts.label_range;
    const x = (value) => 10 + (380 * (Math.min(Math.max(value, low), high) - low)) / (high - low);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const draw = (name, attributes, text = "") => {
      const element = document.createElementNS(svg.namespaceURI, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      element.textContent = text;
      svg.append(element);
    };
    svg.setAttribute("viewBox", "0 0 400 46");
    svg.setAttribute("aria-hidden", "true"); // the table says the same
    const ink = "currentColor";
    draw("line", { x1: 10, x2: 390, y1: 20, y2: 20, stroke: ink, "stroke-width": 1, opacity: 0.5 });
    for (const value of low < 0 && high > 0 ? [low, 0, high] : [low, high]) {
      draw("line", { x1: x(value), x2: x(value), y1: 15, y2: 25, stroke: ink, opacity: 0.5 });
      draw("text", { x: x(value), y: 42, "text-anchor": "middle" }, value ? signed(value, 0) : "0");
    }
    draw("line", { x1: x(clean), x2: x(changed), y1: 20, y2: 20, stroke: ink, "stroke-width": 3 });
    draw("path", { d: `M ${x(label)} 13 l -6 -11 h 12 z`, fill: ink, opacity: 0.6 });
    draw("circle", { cx: x(clean), cy: 20, r: 6, fill: "Canvas", stroke: ink, "stroke-width": 2 });
    draw("circle", { cx: x(changed), cy: 20, r: 4.5, fill: ink });
    return svg;
  }

  const HEADS = ["\u25cb as it is", "\u25cf changed", "\u25bc label"];

  function row(name, cells) {
    return make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((cell) => make("td", {}, cell)));
  }

  function tableOf(heads, rows, ...caption) {
    const columns = heads.map((text) => make("th", { scope: "col" }, text));
    return make("table", {}, ...caption, make("thead", {}, make("tr", {}, make("td"), ...columns)), make("tbody", {}, ...rows));
  }

  // A probability as a number over a bar.
  function share(value) {
    const bar = make("span", { class: "live-bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", value);
    return make("span", { class: "live-share" }, value.toFixed(2), bar);
  }

  // What is predicted: one number, several by name, or a class with the probabilities of all.
  function predicted({ target, clean, changed }) {
    if (Array.isArray(target)) {
      return facts.names.map((name, k) => row(name, [clean.prediction[k], changed.prediction[k], target[k]].map((each) => signed(each))));
    }
    if (typeof target === "number") return [row("prediction", [clean.prediction, changed.prediction, target].map((each) => signed(each)))];
    const largest = (name) => Math.max(clean.probabilities[name], changed.probabilities[name]);
    const ordered = [...facts.names].sort((a, b) => largest(b) - largest(a));
    const kept = facts.names.filter((name) => name === target || ordered.indexOf(name) < MOST);
    const rows = kept.map((name) => row(name, [share(clean.probabilities[name]), share(changed.probabilities[name]), ""]));
    if (kept.length < ordered.length) rows.push(row(`${ordered.length - kept.length} more`, ["", "", ""]));
    return [row("prediction", [clean.prediction, changed.prediction, target].map((name) => name || "none")), ...rows];
  }

  function show(answer) {
    const { target, clean, changed } = answer;
    at("live-error").textContent = "";
    const rows = predicted(answer);
    if (facts.unit) {
      const unit = facts.unit === "nats" ? "nats" : "only its order means anything";
      rows.push(row(`dependency (${unit})`, [signed(clean.dependency), signed(changed.dependency), ""]));
      rows.push(row("its percentile", [`${clean.percentile.toFixed(0)} %`, `${changed.percentile.toFixed(0)} %`, ""]));
    }
    const drawn = facts.label_range ? [scale(clean.prediction, changed.prediction, target)] : [];
    at("live-answer").replaceChildren(...drawn, tableOf(HEADS, rows));
  }

  // How far each modality moves the prediction, or the logit of a class, from where the mean sample is.
  function contributions({ output, clean, changed }) {
    const text = (each) => (each === undefined ? "\u2013" : signed(each));
    const rows = [...controls.keys()].map((name) => row(name, [text(clean[name]), text(changed[name])]));
    return tableOf(HEADS.slice(0, 2), rows, ...(output ? [make("caption", {}, output)] : []));
  }

  function explainable(classes) {
    const usual = classes ? "the class that is predicted" : "every output";
    at("live-output").append(make("option", { value: "" }, usual), ...facts.names.map((name) => make("option", { value: name }, name)));
    at("live-output").parentElement.hidden = facts.names.length === 0;
    at("live-output").addEventListener("change", () => ask());
    at("live-why").addEventListener("toggle", () => ask());
  }

  function fail(error) {
    at("live-error").textContent = error instanceof TypeError ? "The server does not answer: is it still running?" : error.message;
  }

  async function start() {
    facts = await request("api/facts");
    const critic = facts.critic ? `critic ${facts.critic}` : "no critic, so no dependency";
    at("live-facts").textContent = `Model: ${facts.arm}, seed ${facts.seed}; ${critic}.`;
    for (const [name, hasNoise] of Object.entries(facts.modalities)) at("live-modalities").append(fieldset(name, hasNoise));
    explainable(facts.classes);
    chooser(at("live-sample"), at("live-found"));
    await suggest(at("live-sample"), at("live-found"));
    at("live-sample").value = known.keys().next().value ?? "";
    await ask();
  }

  start().catch(fail);
})();
