// The kinds of chart of the page, and the colours: those of Okabe and Ito, "Color Universal Design"
// (2008), and of Tol, "Colour Schemes" (2021), which stay apart for colour-blind readers.
"use strict";

const RUN_COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b",
                    "#7f7f7f"];
const CLASS_COLORS = ["#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677",
                      "#882255", "#aa4499", "#bbbbbb"];
const OUTCOMES = {
  completed: {color: "#0072b2", label: "completed"},
  late: {color: "#e69f00", label: "late: missed the deadline"},
  offline: {color: "#8c8c8c", label: "offline: switched off or out of reach"},
  battery: {color: "#cc79a7", label: "battery: ran empty"},
  failed: {color: "#d55e00", label: "failed: training or upload"},
  not_needed: {color: "#a9d3ef", label: "not needed: the round had all it wanted"},
};
const OTHER_COLORS = ["#009e73", "#f0e442", "#7b4ea3", "#5b4a2f"];

const runColor = (index) => RUN_COLORS[index % RUN_COLORS.length];

// Many classes go round the colour circle, neighbours differing in lightness, too.
function classColor(index, count) {
  if (count <= CLASS_COLORS.length) return CLASS_COLORS[index];
  return `hsl(${Math.round(360 * index / count)} 55% ${[38, 56, 72][index % 3]}%)`;
}

// Reasons in the order of the table above, then what it does not know.
function outcomeKeys(found) {
  const known = Object.keys(OUTCOMES).filter((key) => found.has(key));
  return known.concat([...found].filter((key) => !(key in OUTCOMES)).sort());
}
function outcomeStyle(key, others) {
  if (Object.hasOwn(OUTCOMES, key)) return OUTCOMES[key];
  const color = OTHER_COLORS[Math.max(0, others.indexOf(key)) % OTHER_COLORS.length];
  return {color, label: key.replaceAll("_", " ")};
}

const themeColor = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function applyTheme() {
  Object.assign(Chart.defaults, {
    animation: false,
    maintainAspectRatio: false,
    color: themeColor("--muted"),
    borderColor: themeColor("--line"),
  });
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.plugins.legend.labels.boxWidth = 12;
  Chart.defaults.plugins.legend.labels.boxHeight = 12;
  Chart.defaults.plugins.legend.position = "bottom";
}

// A chart of `height` pixels under its own small title.
function chart(title, height, config) {
  const canvas = element("canvas", {role: "img", "aria-label": title});
  const figure = element("figure", {}, element("figcaption", {}, title),
      element("div", {class: "chart", style: `height: ${height}px`}, canvas));
  figure.chart = new Chart(canvas, config);
  return figure;
}

// Puts `figures` into `holder` in place of those that it holds.
function replaceCharts(holder, ...figures) {
  for (const figure of holder.children) figure.chart.destroy();
  holder.replaceChildren(...figures);
}

const axis = (title, text) => ({
  title: {display: title !== "", text: title},
  ticks: {callback: (value) => text(value), maxRotation: 0, maxTicksLimit: 9,
          precision: text === format.count ? 0 : undefined},
});

// Lines through {x, y, title}. `series`: [{label, color, dash, points}].
function lineChart(title, series, {xTitle, xTick, text, tick}) {
  const longest = Math.max(...series.map(({points}) => points.length));
  return chart(title, 280, {
    type: "line",
    data: {
      datasets: series.map(({label, color, dash = [], points}) => ({
        label, data: points, borderColor: color, backgroundColor: color, borderDash: dash,
        borderWidth: 2, pointRadius: longest > 40 ? 0 : 2.5, pointHitRadius: 8, tension: 0,
      })),
    },
    options: {
      parsing: false,
      interaction: {mode: "nearest", axis: "x", intersect: false},
      scales: {
        x: {type: "linear", ...axis(xTitle, xTick)},
        y: {...axis("", tick), grace: "4%"},
      },
      plugins: {
        legend: {display: series.length > 1,
                 labels: {usePointStyle: true, pointStyle: "line", boxWidth: 28}},
        decimation: {enabled: true, algorithm: "lttb", samples: 400},
        tooltip: {callbacks: {
          title: ([item]) => item === undefined ? "" : item.raw.title,
          label: (item) => `${item.dataset.label}: ${text(item.raw.y)}`,
        }},
      },
    },
  });
}

// Stacked bars. `series`: [{label, color, values}].
function stackedBars(title, height, labels, series, options = {}) {
  const {text = format.count, tick = text, xTitle = "", max, horizontal = false, tight = false,
         legend = true} = options;
  const values = {stacked: true, beginAtZero: true, max, ...axis("", tick)};
  const names = {stacked: true, title: {display: xTitle !== "", text: xTitle},
                 grid: {display: false}, ticks: {maxRotation: 0, autoSkipPadding: 12}};
  return chart(title, height, {
    type: "bar",
    data: {
      labels,
      datasets: series.map(({label, color, values: data}) => ({
        label, data, backgroundColor: color, barPercentage: tight ? 1 : 0.85,
        categoryPercentage: tight ? 1 : 0.9,
      })),
    },
    options: {
      indexAxis: horizontal ? "y" : "x",
      interaction: {mode: "index", axis: horizontal ? "y" : "x", intersect: false},
      scales: horizontal ? {x: values, y: names} : {x: names, y: values},
      plugins: {
        legend: {display: legend},
        tooltip: {
          filter: (item) => item.raw !== 0,
          callbacks: {label: (item) => `${item.dataset.label}: ${text(item.raw)}`},
        },
      },
    },
  });
}

// Groups of bars side by side; a null value has no bar. `series`: [{label, color, values}].
function groupedBars(title, height, labels, series, options = {}) {
  const {text = format.count, logarithmic = false, horizontal = false, max} = options;
  const isMemory = text === format.memory;
  const values = {type: logarithmic ? "logarithmic" : "linear", beginAtZero: !logarithmic, max,
                  ...axis("", text)};
  if (isMemory) values.afterBuildTicks = logarithmic ? tickPowersOfFour : tickBinarySteps;
  const names = {grid: {display: false}};
  return chart(title, height, {
    type: "bar",
    data: {labels, datasets: series.map(({label, color, values: data}) =>
        ({label, data, backgroundColor: color}))},
    options: {
      indexAxis: horizontal ? "y" : "x",
      interaction: {mode: "index", axis: horizontal ? "y" : "x", intersect: false},
      scales: horizontal ? {x: values, y: names} : {x: names, y: values},
      plugins: {tooltip: {
        filter: (item) => item.raw !== null,
        callbacks: {label: (item) => `${item.dataset.label}: ${text(item.raw)}`},
      }},
    },
  });
}

// Bytes read better at 16 KiB, 64 KiB, 256 KiB than at the powers of ten of a logarithmic scale.
function tickPowersOfFour(scale) {
  const first = Math.ceil(Math.log2(Math.max(1, scale.min)) / 2);
  const last = Math.floor(Math.log2(scale.max) / 2);
  const step = Math.max(1, Math.ceil(70 * (last - first + 1) / scale.maxWidth));
  scale.ticks = [];
  for (let power = first; power <= last; power += step) scale.ticks.push({value: 4 ** power});
}
// And on a linear one at multiples of a power of two.
function tickBinarySteps(scale) {
  const step = 2 ** Math.ceil(Math.log2(Math.max(1, scale.max) / 6));
  scale.ticks = [];
  for (let value = 0; value <= scale.max; value += step) scale.ticks.push({value});
}
