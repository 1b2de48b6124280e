// What is shown of one run.
"use strict";

const AXES = {
  rounds: {label: "round", text: format.count, of: (round) => round.round},
  time: {label: "virtual time", text: format.duration, of: (round) => round.virtual_time_s},
  wall: {label: "time", text: format.duration, of: (round) => round.wall_time_s},
  bytes: {label: "bytes up and down, so far", text: format.bytes, adds: true,
          of: (round) => isNumber(round.bytes_up) ? round.bytes_up + round.bytes_down : null},
  energy: {label: "energy of the devices, so far", text: format.energy, adds: true,
           of: (round) => round.energy_j},
};

// x of every round on one of AXES; null where it is not known.
function positions(rounds, axisKey) {
  const {of, adds = false} = AXES[axisKey];
  let total = 0;
  return rounds.map((round) => {
    const value = of(round);
    if (!isNumber(value)) return adds && total > 0 ? total : null;
    return adds ? total += value : value;
  });
}

function pointsOf(run, key, axisKey) {
  const xs = positions(run.rounds, axisKey);
  const points = [];
  run.rounds.forEach((round, index) => {
    if (!isNumber(round[key]) || xs[index] === null) return;
    const title = axisKey === "rounds" ? `round ${round.round}`
                                       : `round ${round.round}, ${AXES[axisKey].text(xs[index])}`;
    points.push({x: xs[index], y: round[key], title});
  });
  return points;
}

// The curves of all runs over an axis that the reader chooses.
function learningSection(runs) {
  const several = runs.length > 1;
  const has = (key) => runs.some((run) => run.rounds.some((round) => isNumber(round[key])));
  const curves = (key, axisKey, label, color, dash) => runs.map((run, index) => ({
    label: several ? run.name : label, dash, points: pointsOf(run, key, axisKey),
    color: several ? runColor(index) : color,
  }));
  const accuracyChart = (axisKey, x) => lineChart("Accuracy on the test data",
      curves("eval_accuracy", axisKey, "accuracy", runColor(0)),
      {...x, text: format.percent, tick: format.shortPercent});
  const evaluatesLoss = has("eval_loss");
  // Of several runs one curve each: two would not be told apart.
  const showsTraining = has("train_loss") && !(several && evaluatesLoss);
  const lossTitle = !several ? "Loss" : evaluatesLoss ? "Loss on the test data" : "Training loss";
  const lossChart = (axisKey, x) => lineChart(lossTitle, [
    ...(evaluatesLoss ? curves("eval_loss", axisKey, "test data", runColor(0)) : []),
    ...(showsTraining
        ? curves("train_loss", axisKey, "training, on the devices", runColor(1), [5, 4]) : []),
  ], {...x, text: format.short, tick: format.short});
  const makers = [...(has("eval_accuracy") ? [accuracyChart] : []),
                  ...(evaluatesLoss || showsTraining ? [lossChart] : [])];
  if (makers.length === 0) return null;
  const holder = element("div", {class: "pair"});
  const show = (axisKey) => {
    const x = {xTitle: AXES[axisKey].label, xTick: AXES[axisKey].text};
    replaceCharts(holder, ...makers.map((make) => make(axisKey, x)));
  };
  const known = (axisKey) => runs.some((run) => {
    const xs = positions(run.rounds, axisKey).filter(isNumber);
    return xs.length > 0 && Math.max(...xs) > 0;
  });
  const time = known("time") ? ["time", "virtual time"] : ["wall", "time"];
  const options = [["rounds", "rounds"], time, ["bytes", "bytes"], ["energy", "joules"]]
      .filter(([key]) => known(key));
  return [choice("against", options, show), holder];
}

// Consecutive rounds together, so that there are never more bars than a screen shows.
function inGroups(rounds, most) {
  const size = Math.ceil(rounds.length / most);
  const groups = [];
  for (let i = 0; i < rounds.length; i += size) groups.push(rounds.slice(i, i + size));
  return groups;
}
const meanOf = (group, of) => sum(group.map(of)) / group.length;
const groupName = (group) => group.length === 1
    ? String(group[0].round) : `${group[0].round}–${group[group.length - 1].round}`;

// {key: count} of a round, completed and every reason why not.
const outcomesOf = (round) => ({completed: round.clients_completed ?? 0, ...round.clients_dropped});

// [{label, color, values}] of groups of rounds, the mean of each, for stacked bars.
function outcomeSeries(groups) {
  const found = new Set(groups.flat().flatMap((round) =>
      Object.entries(outcomesOf(round)).filter(([, count]) => count > 0).map(([key]) => key)));
  const keys = outcomeKeys(found);
  const others = keys.filter((key) => !(key in OUTCOMES));
  return keys.map((key) => ({
    ...outcomeStyle(key, others),
    values: groups.map((group) => meanOf(group, (round) => outcomesOf(round)[key])),
  }));
}

function roundsSection({rounds}) {
  if (rounds.length === 0) return note("No round has closed yet.");
  const groups = inGroups(rounds, 120);
  const labels = groups.map(groupName);
  const of = (key) => groups.map((group) => meanOf(group, (round) => round[key]));
  const each = groups[0].length > 1 ? `mean of ${groups[0].length} rounds` : "every round";
  const rejected = sum(rounds.map((round) => round.updates_rejected));
  const unchanged = rounds.filter((round) => round.note);
  return [
    element("div", {class: "pair"},
        stackedBars(`What became of the cohort, ${each}`, 300, labels, outcomeSeries(groups),
                    {xTitle: "round"}),
        stackedBars(`Bytes, ${each}`, 300, labels,
                    [{label: "up: from the devices", color: "#0072b2", values: of("bytes_up")},
                     {label: "down: to the devices", color: "#a9d3ef", values: of("bytes_down")}],
                    {xTitle: "round", text: format.bytes})),
    rejected > 0 ? note(`${format.plural(rejected, "update")} rejected.`) : null,
    unchanged.length > 0
        ? element("details", {},
              element("summary", {},
                  `${format.plural(unchanged.length, "round")} did not change the model`),
              element("ul", {}, unchanged.slice(0, 200).map(({round, note: why}) =>
                  element("li", {}, `round ${round}: ${why}`))))
        : null,
  ];
}

// A number with a bar of its length behind it.
const barCell = (value) => element("div", {class: "bar", style: `--share: ${100 * value}%`},
    format.fixed(value, 3));

function classesSection({summary}) {
  const classes = summary?.eval_per_class;
  if (!Array.isArray(classes) || classes.length === 0) return null;
  const rows = classes.map(({precision, recall, f1, support}, index) =>
      [`class ${index}`, barCell(precision), barCell(recall), barCell(f1), format.count(support)]);
  const hardest = classes.map((metrics, index) => ({...metrics, index}))
      .filter(({support}) => support > 0).sort((a, b) => a.f1 - b.f1)[0];
  return [
    element("div", {class: "pair"},
        element("figure", {}, element("figcaption", {}, "Each class of the test data"),
            element("div", {class: "tall"},
                table(["", "precision", "recall", "F1", "examples"], rows,
                      {textColumns: [1, 2, 3]}))),
        confusionMatrix(summary.confusion_matrix)),
    hardest === undefined ? null
        : note(`Hardest: class ${hardest.index}, F1 ${format.fixed(hardest.f1, 3)}.`),
  ];
}

// Right answers in blue, wrong ones in orange; the root of the share, so that rare mistakes show.
function confusionMatrix(matrix) {
  if (!Array.isArray(matrix) || matrix.length === 0) return null;
  const withText = matrix.length <= 20;
  const cells = matrix.map((row, truth) => {
    const total = sum(row);
    return element("tr", {}, element("th", {scope: "row"}, withText ? String(truth) : ""),
        row.map((count, predicted) => {
          const share = total > 0 ? count / total : 0;
          const color = `var(${truth === predicted ? "--right" : "--wrong"})`;
          const strength = Math.round(100 * Math.sqrt(share));
          return element("td", {
            title: `class ${truth}, predicted ${predicted}: ${format.count(count)} ` +
                `(${format.percent(share)})`,
            class: strength > 70 ? "strong" : null,
            style: `background: color-mix(in srgb, ${color} ${strength}%, var(--paper))`,
          }, withText && count > 0 ? String(count) : "");
        }));
  });
  const header = element("tr", {}, element("th", {}),
      matrix.map((_, index) => element("th", {scope: "col"}, withText ? String(index) : "")));
  return element("figure", {}, element("figcaption", {},
          "Confusion matrix: rows are the true classes, columns the predicted ones"),
      element("div", {class: "scroll"},
          element("table", {class: withText ? "matrix" : "matrix small"}, header, cells)));
}

function memoryChart(classes) {
  const series = [
    {label: "RAM offered", color: "#bfc5cc", key: "ram_bytes"},
    {label: "peak that the plan predicts", color: "#0072b2", key: "predicted_peak_bytes"},
    {label: "peak that was measured", color: "#e69f00", key: "measured_peak_bytes"},
  ].map(({key, ...rest}) =>
      ({...rest, values: classes.map((device) => device[key] > 0 ? device[key] : null)}))
      .filter(({values}) => values.some((value) => value !== null));
  if (series.length === 0) return null;
  const all = series.flatMap(({values}) => values.filter(isNumber));
  const heightOfOne = classes.length > 10 ? 34 : 52;
  return groupedBars("Memory of one device of each class", 110 + heightOfOne * classes.length,
      classes.map(({name}) => name), series,
      {text: format.memory, horizontal: true,
       logarithmic: Math.max(...all) > 20 * Math.min(...all)});
}

const droppedText = (dropped) => Object.entries(dropped ?? {}).filter(([, count]) => count > 0)
    .map(([reason, count]) => `${format.count(count)} ${reason.replaceAll("_", " ")}`).join(", ") ||
    NONE;

function devicesSection({population}) {
  const classes = population?.classes;
  if (!Array.isArray(classes) || classes.length === 0) return null;
  const rows = classes.map((device) => {
    const hasPlan = isNumber(device.width) && device.refused < device.devices;
    const plan = (value) => hasPlan ? value : NONE;
    // 0: time and energy are not modelled, or it did nothing.
    const modelled = (value, text) => value > 0 ? text(value) : NONE;
    return [
      device.name,
      format.count(device.devices) +
          (device.refused > 0 ? ` (${format.count(device.refused)} refused)` : ""),
      device.ram_bytes > 0 ? format.memory(device.ram_bytes) : "no limit",
      plan(format.short(device.width ?? 0)),
      plan(device.local_steps > 0
          ? `${device.batch_size}, ${format.plural(device.local_steps, "step")}`
          : device.batch_size),
      plan(element("code", {}, device.codec ?? "")),
      plan(modelled(device.predicted_round_s, format.duration)),
      format.count(device.selected), format.count(device.completed), droppedText(device.dropped),
      format.bytes(device.bytes_up), format.bytes(device.bytes_down),
      modelled(device.energy_j, format.energy),
    ];
  });
  const mismatches = sum(classes.map(({peak_mismatches: count}) => count));
  const refusals = classes.filter(({refused}) => refused > 0);
  return [
    memoryChart(classes),
    table(["device class", "devices", "RAM", "width", "batch", "codec", "round takes",
           "selected", "completed", "dropped", "up", "down", "energy"], rows,
          {textColumns: [5, 9]}),
    refusals.length > 0 ? element("ul", {class: "note"}, refusals.map(({name, refused, refusal}) =>
        element("li", {}, `${name}: ${format.plural(refused, "device")} refused` +
            (refusal ? `: ${refusal}` : "")))) : null,
    mismatches > 0 ? note(`${format.plural(mismatches, "update")} measured another peak of memory `,
                          "than their plan predicted.") : null,
  ];
}

function partitionSection({population}) {
  const partition = population?.partition;
  const clients = partition?.clients;
  if (!Array.isArray(clients) || clients.length === 0) return null;
  const classes = partition.num_classes;
  const totals = clients.map(({counts}) => sum(counts));
  const sorted = [...totals].sort((a, b) => a - b);
  const seriesOf = (kind) => Array.from({length: classes}, (_, label) => ({
    label: `class ${label}`, color: classColor(label, classes),
    values: clients.map(({counts}, client) =>
        kind === "counts" ? counts[label] : counts[label] / Math.max(1, totals[client])),
  }));
  const holder = element("div");
  const show = (kind) => {
    const isCount = kind === "counts";
    replaceCharts(holder, stackedBars(
        "Which classes each client holds", 320, clients.map(({client}) => String(client)),
        seriesOf(kind),
        {xTitle: "client", tight: clients.length > 60, legend: classes <= 20,
         max: isCount ? undefined : 1, text: isCount ? format.count : format.percent,
         tick: isCount ? format.count : format.shortPercent}));
  };
  const drawn = clients.length < partition.num_clients
      ? `${clients.length} of ${format.count(partition.num_clients)} clients are drawn`
      : format.plural(clients.length, "client");
  return [
    choice("show", [["counts", "examples"], ["shares", "shares"]], show), holder,
    note(`${partition.kind}; ${drawn}. Examples of a client: ${format.count(sorted[0])} at least, `,
         `${format.count(sorted[Math.floor(sorted.length / 2)])} in the middle, `,
         `${format.count(sorted[sorted.length - 1])} at most.`),
  ];
}

const configurationSection = (run) => element("details", {},
    element("summary", {}, "every field, defaults included (config.yaml)"),
    element("pre", {}, run.config));
