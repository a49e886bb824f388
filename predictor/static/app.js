// The page: asks once for the state, then follows /v1/stream. Everything shown comes from this server.
import { drawChart, clearChart, recolour } from "/static/chart.js";
import { ago, h, number, percent, price, share, svg, utc, when } from "/static/dom.js";

const VERDICTS = ["skill", "no skill", "worse", "insufficient"];
const KINDS = { regression_rf: "Random forest", regression_gb: "Gradient boosting", classification_rf: "Random forest, direction" };
const state = { tickers: new Map(), models: new Map(), alerts: new Map(), runs: [], training: null, selected: null, filter: "", history: null };
const $ = (id) => document.getElementById(id);
const dirty = new Set();

// ---- drawing, at most ten times a second ----------------------------------------------------------------------------

const parts = { tiles: drawTiles, tickers: drawTickers, detail: drawDetail, work: drawWork };
function draw(...names) {
  if (!dirty.size) setTimeout(() => { const now = [...dirty]; dirty.clear(); now.forEach((name) => parts[name]()); }, 100);
  names.forEach((name) => dirty.add(name));
}

function drawTiles() {
  const all = [...state.tickers.values()], models = [...state.models.values()].flat();
  const simulated = all.filter((one) => one.simulated).length, replayed = all.filter((one) => one.replayed).length;
  $("tile-tickers").textContent = all.length;
  const kinds = [[simulated, "simulated"], [replayed, "replayed"], [all.length - simulated - replayed, "live"]];
  $("tile-data").textContent = kinds.filter(([n]) => n).map(([n, what]) => `${n} ${what}`).join(", ");
  $("tile-models").textContent = models.length;
  const alerts = [...state.alerts.values()].flat().length;
  $("tile-alerts").textContent = alerts ? `${alerts} could not be loaded` : `${all.filter((one) => one.prediction).length} tickers answered`;
  const counts = VERDICTS.map((verdict) => [verdict, models.filter((one) => one.verdict === verdict).length]);
  $("verdict-bar").replaceChildren(...counts.filter(([, n]) => n).map(([verdict, n]) => h("i", { dataset: { verdict }, style: { flexGrow: n, flexBasis: 0 } })));
  $("verdict-bar").setAttribute("aria-label", counts.map(([verdict, n]) => `${n} ${verdict}`).join(", "));
  $("verdict-legend").replaceChildren(...counts.map(([verdict, n]) => h("span", { dataset: { verdict } }, h("b", {}, n), ` ${verdict}`)));
  drawFalseSkill(models.length - counts[3][1], counts[0][1]);
}

function drawFalseSkill(judged, skilled) {
  const rule = "Verdicts of one run are held to a false discovery rate of 5 % (Benjamini-Hochberg): ";
  const most = (0.05 * skilled).toLocaleString("en", { maximumFractionDigits: 2 });
  const here = skilled
    ? `of the ${skilled} “skill” here, about ${most} are to be expected false.`
    : judged ? "none of the models here has “skill”." : "";
  $("false-skill").textContent = `${rule}${here} Taken one by one instead, one worthless model in twenty would pass by luck${judged ? `: about ${(judged / 20).toFixed(1)} of these ${judged}` : ""}. Where nothing at all can be foretold, at most one run in twenty shows a “skill”.`;
}

function drawTickers() {
  const wanted = [...state.tickers.values()].filter((one) => one.ticker.toLowerCase().includes(state.filter)).sort((a, b) => (a.ticker < b.ticker ? -1 : 1));
  const body = $("tickers"), rows = new Map([...body.children].map((row) => [row.dataset.ticker, row]));
  const next = wanted.map((one) => {
    const row = tickerRow(one), old = rows.get(one.ticker);
    if (old?.dataset.shown && old.dataset.shown !== row.dataset.shown) row.classList.add("fresh");
    if (old && old.contains(document.activeElement)) queueMicrotask(() => row.querySelector(".pick")?.focus());
    return row;
  });
  const none = state.filter ? "No ticker of that name." : "No ticker yet: features and models are on their way.";
  body.replaceChildren(...(next.length ? next : [h("tr", { class: "empty" }, h("td", { colSpan: 6, class: "note" }, none))]));
}

function tickerRow(one) {
  const p = one.prediction, pick = h("button", { type: "button", class: "pick" }, one.ticker);
  const row = h("tr", { dataset: { ticker: one.ticker, shown: p ? p.id : "" }, onclick: () => select(one.ticker, true) });
  if (one.ticker === state.selected) { row.setAttribute("aria-current", "true"); pick.setAttribute("aria-pressed", "true"); }
  row.append(h("td", { class: "name" }, h("div", { class: "who" }, pick, ...marks(one))));
  if (!p) {
    row.append(h("td", { class: "num close" }, one.close ? price(one.close) : ""), h("td", { colSpan: 4, class: "empty-cell" }, one.reason || "no answer yet"));
    return row;
  }
  row.append(
    h("td", { class: "num close" }, price(p.close)),
    h("td", { class: "num level" }, h("span", { class: "pair" }, price(p.price_level), h("small", { class: tone(p.expected_return) }, percent(p.expected_return)))),
    h("td", { class: "chance-cell" }, chance(p.probability_up)),
    h("td", { class: "lead-cell" }, lead(p)),
    h("td", { class: "num age" }, h("time", { dataset: { born: p.born } }, ago(p.born))),
  );
  return row;
}

function marks(one) {
  const found = [];
  if (one.simulated) found.push(["simulated", "simulated"]);
  if (one.replayed) found.push(["replayed", "replayed"]);
  if (one.prediction && isStale(one.prediction)) found.push(["stale", "stale"]);
  if ((state.alerts.get(one.ticker) || []).length) found.push(["alert", "alert"]);
  return found.map(([mark, text]) => h("span", { class: "mark", dataset: { mark } }, text));
}

const isStale = (p) => (Date.now() - p.born) / 60000 > p.horizon_minutes;
const tone = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");
const lead = (p) => h("span", { class: "lead", dataset: { lead: p.leads } }, p.leads);

function chance(probability) {
  if (probability === null) return h("span", { class: "note" }, "unknown");
  const lean = Math.max(-50, Math.min(50, (probability - 0.5) * 500)); // the bar's ends are 40 % and 60 %
  const fill = h("b", { class: lean >= 0 ? "up" : "down", style: lean >= 0 ? { left: "50%", width: `${lean}%` } : { right: "50%", width: `${-lean}%` } });
  return h("span", { class: "chance", title: "the bar runs from 40 % to 60 %" }, h("i", { ariaHidden: "true" }, fill), share(probability));
}

// ---- one ticker -----------------------------------------------------------------------------------------------------

function drawDetail() {
  const one = state.tickers.get(state.selected);
  if (!one) return;
  const p = one.prediction;
  $("h-detail").textContent = one.ticker;
  $("detail-marks").replaceChildren(...marks(one));
  $("answer").replaceChildren(...(p ? answer(p) : [h("p", { class: "full" }, `No answer: ${one.reason || "nothing has come yet"}. Missing: ${one.missing.join(", ") || "features"}.`)]));
  $("models").replaceChildren(...modelTable(one));
  $("planted").replaceChildren(...planted(one));
  if (state.history && state.history.ticker === one.ticker && state.history.closes.length) {
    drawChart($("chart"), state.history);
    $("chart-note").textContent = "Closes, and dashed the level that was said for then. " + (state.history.complete ? "" : "Older ones are not at hand: PostgreSQL does not answer.");
  } else { clearChart(); $("chart-note").textContent = ""; }
}

function answer(p) {
  const said = p.leads === "model"
    ? "A model with skill leads this answer; what it leaves open is the baseline's."
    : "No model of this ticker has shown skill, so this is the baseline's answer: no change, and the usual share of rises.";
  return [
    h("div", {}, h("span", { class: "label" }, "Close"), h("b", {}, price(p.close)), " ", h("small", { class: "note" }, utc(p.as_of))),
    h("div", {}, h("span", { class: "label" }, `Level in ${p.horizon_minutes} min`), h("b", {}, price(p.price_level)), " ", h("small", { class: tone(p.expected_return) }, percent(p.expected_return))),
    h("div", {}, h("span", { class: "label" }, "Chance up"), h("b", {}, p.probability_up === null ? "unknown" : share(p.probability_up)), " ", h("small", { class: p.direction || "" }, p.direction || "")),
    h("p", { class: "full" }, lead(p), ` ${said}`),
  ];
}

function modelTable(one) {
  const models = state.models.get(one.ticker) || [], answers = new Map((one.prediction?.models || []).map((said) => [said.kind, said.value]));
  const alerts = (state.alerts.get(one.ticker) || []).map((a) => h("p", { class: "alert" }, `${KINDS[a.kind]} version ${a.version} could not be loaded; what served before goes on. ${a.reason}`));
  if (!models.length) return [h("p", { class: "note" }, "No model of this ticker is in force."), ...alerts];
  const widest = Math.max(...models.map((m) => reach(m.primary)), 1e-12);
  const rows = Object.keys(KINDS).map((kind) => models.find((m) => m.kind === kind)).filter(Boolean).map((m) => h("tr", {},
    h("td", {}, KINDS[m.kind], h("small", {}, `version ${m.version}, ${number(m.rows)} rows, ${m.sessions} sessions`)),
    h("td", {}, h("span", { class: "verdict", dataset: { verdict: m.verdict } }, m.verdict), m.verdict_final === false ? " not final" : ""),
    h("td", {}, answers.has(m.kind) ? says(m, answers.get(m.kind)) : "–", h("small", {}, "says now")),
    h("td", {}, gain(m, widest), h("small", {}, beside(m.primary))),
  ));
  return [h("table", { class: "models" }, h("caption", { class: "hidden" }, "Models, with their loss on rows they never saw beside the baseline's"),
    h("thead", {}, h("tr", {}, ...["Model", "Verdict", "Answer", "Gain on the baseline, out of sample"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows)), ...alerts];
}

const says = (m, value) => (m.kind.startsWith("classification") ? `${share(value)}\u00a0up` : percent(value));
const reach = (p) => (p.baseline_loss ? Math.max(Math.abs(p.gain_low ?? 0), Math.abs(p.gain_high ?? 0)) / p.baseline_loss : 0);
const loss = (value) => (value === null ? "–" : Math.abs(value) < 0.001 ? value.toExponential(3) : value.toFixed(4));

function beside(p) {
  if (p.loss === null || p.baseline_loss === null) return `${p.sessions} test sessions are too few`;
  return `${p.loss_name.replace("_", "-")} ${loss(p.loss)}, baseline ${loss(p.baseline_loss)}`;
}

/** A line with its 95 % interval around no gain: right of the middle the model is better. */
function gain({ primary: p, verdict }, widest) {
  if (p.gain === null || !p.baseline_loss) return h("span", { class: "note" }, "not judged");
  const x = (value) => 60 + (54 * value) / p.baseline_loss / widest;
  const low = x(p.gain_low ?? p.gain), high = x(p.gain_high ?? p.gain), colour = "var(--tone)";
  const text = `gain ${(100 * p.gain / p.baseline_loss).toFixed(2)} % of the baseline's loss, 95 % interval ${(100 * (p.gain_low ?? p.gain) / p.baseline_loss).toFixed(2)} to ${(100 * (p.gain_high ?? p.gain) / p.baseline_loss).toFixed(2)} %`;
  return svg("svg", { class: "gain", "data-verdict": verdict, viewBox: "0 0 120 18", role: "img", "aria-label": text }, svg("title", {}, text),
    svg("line", { x1: 60, x2: 60, y1: 1, y2: 17, stroke: "var(--line)", "stroke-width": 2 }),
    svg("line", { x1: low, x2: high, y1: 9, y2: 9, stroke: colour, "stroke-width": 2.5, "stroke-linecap": "round" }),
    svg("circle", { cx: x(p.gain), cy: 9, r: 3.6, fill: colour }));
}

function planted(one) {
  if (!one.planted) return [];
  const truth = one.planted.information_coefficient;
  const estimates = (state.models.get(one.ticker) || []).map((m) => [m.kind, m.metrics.information_coefficient]).filter(([, value]) => typeof value === "number");
  const most = Math.max(0.06, Math.abs(truth) * 1.3, ...estimates.map(([, value]) => Math.abs(value) * 1.15)), x = (value) => 200 + (185 * value) / most;
  const label = `planted ${truth.toFixed(3)}; estimated ${estimates.map(([kind, value]) => `${KINDS[kind]} ${value.toFixed(3)}`).join(", ") || "by no model yet"}`;
  const told = truth ? `${one.planted.mechanism} of strength ${truth.toFixed(3)} over ${one.planted.window_minutes} minutes` : "nothing: no model can have true skill here";
  return [h("div", { class: "planted" }, h("h3", {}, "The truth, and what the models found of it"),
    h("p", { class: "note" }, `Planted by the simulated exchange: ${told}. The scale is the information coefficient, the correlation of answers with what came.`),
    svg("svg", { viewBox: "0 0 400 58", role: "img", "aria-label": label }, svg("title", {}, label),
      svg("line", { x1: 15, x2: 385, y1: 30, y2: 30, stroke: "var(--line)", "stroke-width": 2 }), svg("line", { x1: 200, x2: 200, y1: 22, y2: 38, stroke: "var(--line)", "stroke-width": 2 }), svg("text", { x: 200, y: 53, "text-anchor": "middle" }, "0"),
      svg("line", { x1: x(truth), x2: x(truth), y1: 14, y2: 42, stroke: "var(--sim)", "stroke-width": 4, "stroke-linecap": "round" }), svg("text", { x: x(truth), y: 9, "text-anchor": "middle" }, `planted ${truth.toFixed(3)}`),
      ...estimates.map(([kind, value]) => svg("circle", { cx: x(value), cy: 30, r: 5.5, fill: "var(--accent)", "fill-opacity": 0.75 }, svg("title", {}, `${KINDS[kind]}: ${value.toFixed(4)}`)))),
    estimates.length ? h("p", { class: "note" }, h("span", { class: "dot", ariaHidden: "true" }), " estimated out of sample, a dot a model") : "")];
}

async function select(ticker, byHand = false) {
  state.selected = ticker;
  if (byHand) history.replaceState(null, "", `#${encodeURIComponent(ticker)}`);
  draw("tickers", "detail");
  if (byHand && matchMedia("(max-width: 1020px)").matches) $("detail").scrollIntoView({ behavior: "smooth", block: "start" });
  const found = await ask(`/v1/predictions/${encodeURIComponent(ticker)}/history?limit=240`).catch(() => null);
  if (found && state.selected === ticker) { state.history = found; draw("detail"); }
}

// ---- runs and training ----------------------------------------------------------------------------------------------

function drawWork() {
  $("training").replaceChildren(...training(state.training));
  const items = state.runs.slice(0, 6).map((run) => h("li", {},
    h("code", {}, run.run_id), " ", h("span", { class: "lead", dataset: { lead: run.state === "sent" ? "model" : run.state === "sending" ? "none" : "baseline" } }, run.state), run.simulated ? [" ", h("span", { class: "mark", dataset: { mark: "simulated" } }, "simulated")] : "",
    h("span", { class: "note" }, `declared ${when(run.declared_at)}${run.attempt > 1 ? `, attempt ${run.attempt}` : ""}${run.refused ? `, ${number(run.refused)} rows refused` : ""}${run.reason ? `: ${run.reason}` : ""}`),
    h("dl", {}, ...Object.entries(run.rows).flatMap(([topic, rows]) => [h("dt", {}, topic), h("dd", {}, rows === null ? "sending…" : `${number(rows)} rows`)]))));
  $("runs").replaceChildren(items.length ? h("ul", { class: "runs" }, items) : h("p", { class: "note" }, "No run was declared yet."));
}

function training(seen) {
  if (!seen) return [h("p", { class: "note" }, "Nothing to tell yet.")];
  const trouble = seen.reachable ? [] : [h("p", { class: "note" }, `Jobs are kept in PostgreSQL, which does not answer: ${seen.reason}`)];
  const run = seen.runs[0];
  if (!run) return trouble.length ? trouble : [h("p", { class: "note" }, "No training was asked for yet. POST /v1/training asks.")];
  const all = run.queued + run.running + run.done + run.failed, through = seen.tickers.length ? seen.tickers.reduce((sum, one) => sum + one.progress, 0) / seen.tickers.length : 0;
  const busy = (one) => ({ running: 0, failed: 1, queued: 2, done: 3 })[one.state] ?? 2;
  const jobs = [...seen.tickers].sort((a, b) => busy(a) - busy(b) || b.progress - a.progress || (a.ticker < b.ticker ? -1 : 1));
  return [...trouble, h("div", { class: "total" }, h("code", {}, run.run_id), h("span", {}, `${run.done} of ${all} models${run.running ? `, ${run.running} at work` : ""}${run.failed ? `, ${run.failed} failed` : ""}`)),
    bar(through, run.failed && run.done + run.failed === all ? "failed" : run.done === all ? "done" : "running", "all jobs"),
    h("ul", { class: "jobs" }, jobs.map((one) => {
      const errors = [...new Set(one.jobs.map((job) => job.error).filter(Boolean))];
      return h("li", {}, h("span", {}, one.ticker), bar(one.progress, one.state, one.ticker), h("span", { class: "note" }, one.state === "running" ? `${Math.floor(100 * one.progress)} %, ${one.stage}` : one.state), ...errors.map((text) => h("span", { class: "error" }, text)));
    }))];
}

function bar(progress, of, name) {
  const percentage = Math.round(100 * progress);
  return h("div", { class: "bar", dataset: { state: of }, role: "progressbar", ariaLabel: name, ariaValueNow: percentage, ariaValueMin: 0, ariaValueMax: 100 }, h("i", { style: { width: `${percentage}%` } }));
}

// ---- talking to the server ------------------------------------------------------------------------------------------

async function ask(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** When an answer was born by this machine's clock, so that its age can go on here. */
function dated(p) { if (p) p.born = Date.now() - 1000 * p.age_seconds; return p; }

function takeModels(view, ticker = null) {
  const group = (list) => Map.groupBy ? Map.groupBy(list, (one) => one.ticker) : list.reduce((map, one) => map.set(one.ticker, [...(map.get(one.ticker) || []), one]), new Map());
  if (ticker === null) { state.models = group(view.models); state.alerts = group(view.alerts); return; }
  state.models.set(ticker, view.models); state.alerts.set(ticker, view.alerts);
}

async function refreshTickers() {
  const { tickers } = await ask("/v1/tickers");
  tickers.forEach((one) => dated(one.prediction));
  state.tickers = new Map(tickers.map((one) => [one.ticker, one]));
}

async function refreshWork() {
  const { runs, training: seen } = await ask("/v1/runs");
  state.runs = runs; state.training = seen;
  draw("work");
}

async function refresh() {
  const [, models] = await Promise.all([refreshTickers(), ask("/v1/models"), refreshWork()]);
  takeModels(models);
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (!state.tickers.has(state.selected)) state.selected = state.tickers.has(wanted) ? wanted : firstWorthSeeing();
  draw("tiles", "tickers", "detail");
  if (state.selected) await select(state.selected);
}

function firstWorthSeeing() {
  const all = [...state.tickers.values()].sort((a, b) => (a.ticker < b.ticker ? -1 : 1));
  return (all.find((one) => one.prediction?.leads === "model") || all.find((one) => one.prediction) || all[0])?.ticker ?? null;
}

const later = {};
/** Do it soon, once, however often it is asked for meanwhile. */
function soon(name, action, milliseconds) {
  later[name] ??= setTimeout(() => { later[name] = null; action().catch(() => say("lost", "not answering")); }, milliseconds);
}

function onPrediction(p) {
  const one = state.tickers.get(p.ticker);
  if (!one) return soon("tickers", async () => { await refreshTickers(); draw("tiles", "tickers"); }, 500);
  Object.assign(one, { prediction: dated(p), close: p.close, timestamp: p.timestamp, replayed: p.replayed, reason: null, missing: [] });
  if (state.history?.ticker === p.ticker) {
    const { closes, predictions } = state.history, last = closes.at(-1);
    if (!last || last.timestamp < p.timestamp) closes.push({ timestamp: p.timestamp, close: p.close });
    predictions.push(p);
    closes.splice(0, closes.length - 240); predictions.splice(0, predictions.length - 240);
  }
  draw("tickers", ...(p.ticker === state.selected ? ["detail"] : []));
}

function onModel(view, raw) {
  const ticker = (view.models[0] || view.alerts[0])?.ticker;
  if (ticker === undefined) return soon("all", refresh, 500);
  takeModels(view, ticker);
  if (!state.tickers.has(ticker)) soon("tickers", async () => { await refreshTickers(); draw("tickers"); }, 500);
  draw("tiles", "tickers", ...(ticker === state.selected ? ["detail"] : []));
}

function say(of, text) { const pill = $("connection"); if (pill.textContent !== text) pill.textContent = text; pill.dataset.state = of; }

async function checkReady() {
  const ready = await fetch("/health/ready").then((response) => response.json()).catch(() => null);
  const trouble = ready ? Object.entries(ready.troubles ?? {}).map(([topic, text]) => `${topic}: ${text}`)[0] : "";
  const text = !ready ? "" : !ready.ready ? "The predictor is still reading its topics; answers follow." : trouble ? `What is shown may be old. ${trouble}` : "";
  $("banner").textContent = text; $("banner").hidden = !text;
}

function follow() {
  const source = new EventSource("/v1/stream");
  const on = (name, take) => source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  source.onopen = () => { say("live", "live"); refresh().catch(() => say("lost", "not answering")); checkReady(); };
  source.onerror = () => { say("lost", "reconnecting"); if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000); };
  on("prediction", onPrediction); on("model", onModel);
  on("run", () => soon("work", refreshWork, 400)); on("job", () => soon("work", refreshWork, 700));
}

// ---- start ----------------------------------------------------------------------------------------------------------

const root = document.documentElement, stored = localStorage.getItem("theme");
if (stored) root.dataset.theme = stored;
$("theme").onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark"; localStorage.setItem("theme", root.dataset.theme); recolour();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
$("filter").oninput = (event) => { state.filter = event.target.value.trim().toLowerCase(); draw("tickers"); };
setInterval(() => { document.querySelectorAll("time[data-born]").forEach((time) => { time.textContent = ago(Number(time.dataset.born)); }); }, 1000);
setInterval(() => { checkReady(); soon("work", refreshWork, 0); draw("tickers"); }, 10000);
follow();
