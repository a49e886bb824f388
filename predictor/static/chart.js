// The chart of one ticker: closes, and the level that was said for each minute.
const { createChart, LineStyle, LineSeries, AreaSeries } = window.LightweightCharts;
const MINUTE = 60, LONGEST_GAP = 4.5 * 86400, HOLE = 6 * MINUTE;
let chart = null, closes = null, levels = null, shown = "";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const at = (text) => Math.floor(Date.parse(text) / 1000);

function make(element) {
  chart = createChart(element, {
    autoSize: true, width: element.clientWidth, height: element.clientHeight, handleScroll: { vertTouchDrag: false }, rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.1 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 2 }, layout: { attributionLogo: false, background: { color: "transparent" }, fontSize: 11 },
    crosshair: { horzLine: { labelVisible: true }, vertLine: { labelVisible: true } },
  });
  closes = chart.addSeries(AreaSeries, { lineWidth: 2, priceLineVisible: false, lastValueVisible: true });
  levels = chart.addSeries(LineSeries, { lineWidth: 2, lineStyle: LineStyle.Dashed, priceLineVisible: false, lastValueVisible: true, crosshairMarkerVisible: true });
  recolour();
}

/** Give the chart the colours of the theme. */
export function recolour() {
  if (!chart) return;
  const accent = colour("--accent"), line = colour("--line");
  chart.applyOptions({ layout: { textColor: colour("--soft") }, grid: { vertLines: { color: "transparent" }, horzLines: { color: line } } });
  closes.applyOptions({ lineColor: accent, topColor: `${accent}33`, bottomColor: `${accent}05` });
  levels.applyOptions({ color: colour("--sim") });
}

/** Draw the history of one ticker. */
export function drawChart(element, history) {
  if (!chart) make(element);
  const points = new Map(unbroken(history.closes).map((one) => [at(one.timestamp), one.close]));
  closes.setData([...points].sort(([a], [b]) => a - b).map(([time, value]) => ({ time, value })));
  const first = points.keys().next().value, level = said(history, points).filter(({ time }) => time >= first);
  levels.setData(level.map((one, n) => (n && one.time - level[n - 1].time > HOLE ? { ...one, color: "transparent" } : one)));
  if (shown === history.ticker) return;
  shown = history.ticker;
  const size = new Set([...points.keys(), ...level.map(({ time }) => time)]).size;
  // After the next frame: before it the chart does not know its width.
  requestAnimationFrame(() => requestAnimationFrame(() => chart?.timeScale().setVisibleLogicalRange({ from: Math.max(-1, size - 100), to: size + 1 })));
}

/** The last closes without a hole of more than a long weekend: older rows of a backfill are far apart. */
function unbroken(all) {
  let first = all.length - 1;
  while (first > 0 && at(all[first].timestamp) - at(all[first - 1].timestamp) < LONGEST_GAP) first--;
  return all.slice(Math.max(0, first));
}

/** The levels that models with skill said for each minute; of a baseline's only the newest: the others repeat the close. */
function said(history, points) {
  const found = new Map(), newest = history.predictions.at(-1);
  for (const one of history.predictions) if (one.leads === "model") found.set(at(one.timestamp) + MINUTE * one.horizon_minutes, one.price_level);
  if (newest && newest.leads !== "model") {
    const begin = at(newest.timestamp);
    if (points.has(begin)) found.set(begin, newest.close);
    for (let minute = 1; minute <= newest.horizon_minutes; minute++) found.set(begin + MINUTE * minute, newest.price_level);
  }
  return [...found].sort(([a], [b]) => a - b).map(([time, value]) => ({ time, value }));
}

/** Take the chart away. */
export function clearChart() {
  chart?.remove();
  chart = null; shown = "";
}
