// The numbers of a run, alone and beside those of others.
"use strict";

// What a run came to: from its summary, or from its rounds so far.
function totalsOf(run) {
  const {rounds, summary} = run;
  const last = rounds[rounds.length - 1] ?? {};
  const evaluated = rounds.map((round) => round.eval_accuracy).filter(isNumber);
  const known = (key) => rounds.some((round) => isNumber(round[key]));
  const total = (key) => known(key) ? sum(rounds.map((round) => round[key])) : null;
  const peaks = rounds.map((round) => round.device_peak_memory_bytes).filter(isNumber);
  return {
    finished: summary !== null,
    rounds: rounds.length,
    accuracy: evaluated.length > 0 ? evaluated[evaluated.length - 1] : null,
    best: evaluated.length > 0 ? Math.max(...evaluated) : null,
    virtualTime: last.virtual_time_s ?? null,
    wallTime: summary?.wall_time_s ?? last.wall_time_s ?? null,
    up: total("bytes_up"),
    down: total("bytes_down"),
    floatUp: total("float_bytes_up"),
    floatDown: total("float_bytes_down"),
    energy: total("energy_j"),
    updates: total("clients_completed"),
    clients: run.population?.partition?.num_clients ??
        Math.max(0, ...rounds.map((round) => round.clients_available).filter(isNumber)),
    peak: peaks.length > 0 ? Math.max(...peaks) : null,
    rate: summary?.client_updates_per_second ?? null,
    hash: summary?.model_hash ?? last.model_hash ?? "",
  };
}

const ofFloat = (bytes, float) =>
    isNumber(bytes) && float > 0 ? `${format.percent(bytes / float)} of float32` : null;

function tile(label, value, detail = null) {
  return element("div", {class: "tile"}, element("span", {class: "label"}, label),
      element("strong", {}, value),
      detail === null ? null : element("span", {class: "detail"}, detail));
}

function headline(run) {
  const totals = totalsOf(run);
  const tiles = [
    totals.accuracy === null ? null
        : tile(totals.finished ? "final accuracy" : "accuracy so far",
               format.percent(totals.accuracy), `best ${format.percent(totals.best)}`),
    tile("rounds", format.count(totals.rounds),
         totals.updates === null ? null : format.plural(totals.updates, "update")),
    totals.virtualTime === null ? null
        : tile("virtual time", format.duration(totals.virtualTime),
               `computed in ${format.duration(totals.wallTime)}`),
    totals.virtualTime !== null || totals.wallTime === null ? null
        : tile("time", format.duration(totals.wallTime)),
    tile("up", format.bytes(totals.up), ofFloat(totals.up, totals.floatUp)),
    tile("down", format.bytes(totals.down), ofFloat(totals.down, totals.floatDown)),
    totals.energy === null ? null
        : tile("device energy", format.energy(totals.energy),
               totals.updates > 0 ? `${format.energy(totals.energy / totals.updates)} per update`
                                  : null),
    totals.clients > 0 ? tile("clients", format.count(totals.clients)) : null,
    totals.peak === null ? null : tile("device memory", format.memory(totals.peak), "largest peak"),
  ];
  return [element("div", {class: "tiles"}, tiles.filter((made) => made !== null)), identity(run)];
}

// What the run was made of, to be quoted.
function identity({summary, rounds}) {
  const facts = [
    ["model", summary?.model_hash ?? rounds[rounds.length - 1]?.model_hash],
    ["seed", summary?.seed], ["kernels", summary?.kernel_target], ["Tern", summary?.version],
    ["configuration", summary?.config_hash],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "");
  return element("dl", {class: "identity"}, facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name),
          element("dd", {title: String(value)},
              String(value).length > 20 ? `${String(value).slice(0, 16)}…` : String(value)))));
}

const COMPARED = [
  ["final accuracy", (totals) => format.percent(totals.accuracy)],
  ["best accuracy", (totals) => format.percent(totals.best)],
  ["rounds", (totals) => format.count(totals.rounds)],
  ["updates", (totals) => format.count(totals.updates)],
  ["clients", (totals) => totals.clients > 0 ? format.count(totals.clients) : NONE],
  ["virtual time", (totals) => format.duration(totals.virtualTime)],
  ["wall time", (totals) => format.duration(totals.wallTime)],
  ["bytes up", (totals) => format.bytes(totals.up)],
  ["… of float32", (totals) => format.percent(totals.up / totals.floatUp)],
  ["bytes down", (totals) => format.bytes(totals.down)],
  ["… of float32", (totals) => format.percent(totals.down / totals.floatDown)],
  ["device energy", (totals) => format.energy(totals.energy)],
  ["largest peak of a device's memory", (totals) => format.memory(totals.peak)],
  ["model", (totals) => ({text: totals.hash.slice(0, 12), title: totals.hash})],
];

function comparisonTable(runs) {
  const totals = runs.map(totalsOf);
  const rows = COMPARED.map(([name, show]) => [name, ...totals.map(show)])
      .filter(([, ...cells]) => cells.some((cell) => cell !== NONE));
  const header = runs.map((run, index) => element("span", {},
      element("i", {class: "swatch", style: `background: ${runColor(index)}`}),
      totals[index].finished ? run.name : `${run.name} (not finished)`));
  return table(["", ...header], rows);
}

// The fields of config.yaml by their path; it is written in block style, a field to a line.
function fieldsOf(config) {
  const fields = new Map();
  const path = [];
  const elements = new Map();
  for (const line of config.split("\n")) {
    const match = /^( *)(- )?([^:]+):(?: (.*))?$/.exec(line);
    if (match === null) continue;
    const [, spaces, dash, key, value] = match;
    const depth = (spaces.length + (dash ?? "").length) / 2;
    path.length = depth;
    if (dash !== undefined) {
      const list = path.slice(0, depth - 1).join(".");
      elements.set(list, (elements.get(list) ?? -1) + 1);
      path[depth - 1] = String(elements.get(list));
    }
    path[depth] = key;
    if (value !== undefined && value !== "") fields.set(path.join("."), value);
  }
  return fields;
}

function differencesTable(runs) {
  const fields = runs.map((run) => fieldsOf(run.config));
  const names = [...new Set(fields.flatMap((of) => [...of.keys()]))];
  const rows = names.map((name) => [name, ...fields.map((of) => of.get(name) ?? NONE)])
      .filter(([, first, ...others]) => others.some((value) => value !== first));
  if (rows.length === 0) return note("The configurations are the same.");
  return table(["field", ...runs.map(({name}) => name)], rows, {allText: true});
}

function comparedOutcomes(runs) {
  const groups = runs.map(({rounds}) => rounds);
  const cohorts = outcomeSeries(groups);
  const totals = runs.map((_, index) => sum(cohorts.map(({values}) => values[index])));
  const series = cohorts.map(({values, ...rest}) =>
      ({...rest, values: values.map((value, index) => value / Math.max(totals[index], 1e-9))}));
  return stackedBars("What became of the cohorts, all rounds together", 110 + 40 * runs.length,
      runs.map(({name}) => name), series,
      {horizontal: true, max: 1, text: format.percent, tick: format.shortPercent});
}

function comparedClasses(runs) {
  const evaluated = runs.filter(({summary}) => Array.isArray(summary?.eval_per_class));
  if (evaluated.length === 0) return null;
  const count = Math.max(...evaluated.map(({summary}) => summary.eval_per_class.length));
  return groupedBars("F1 of each class, at the end", 300,
      Array.from({length: count}, (_, index) => `class ${index}`),
      evaluated.map((run) => ({
        label: run.name, color: runColor(runs.indexOf(run)),
        values: run.summary.eval_per_class.map(({f1}) => f1),
      })), {text: (value) => format.fixed(value, 2), max: 1});
}
