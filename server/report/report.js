// Puts the page together, again when the reader changes between light and dark.
"use strict";

function oneRun(run) {
  const {finished} = totalsOf(run);
  return [
    element("header", {}, element("h1", {}, run.name),
        element("p", {class: "note"}, finished ? "A federated learning run of Tern"
            : "A federated learning run of Tern that has not finished")),
    ...[headline(run)].flat(),
    section("Learning", () => learningSection([run])),
    section("Rounds", () => roundsSection(run)),
    section("Classes", () => classesSection(run)),
    section("Devices", () => devicesSection(run)),
    section("Data of the clients", () => partitionSection(run)),
    section("Configuration", () => configurationSection(run)),
  ];
}

function severalRuns(runs) {
  return [
    element("header", {}, element("h1", {}, `Comparison of ${runs.length} runs`),
        element("p", {class: "note"}, "Federated learning runs of Tern")),
    section("Results", () => comparisonTable(runs)),
    section("Learning", () => learningSection(runs)),
    section("What differs in the configurations", () => differencesTable(runs)),
    section("Cohorts", () => comparedOutcomes(runs)),
    section("Classes", () => comparedClasses(runs)),
    ...runs.map((run) => section(`Configuration of ${run.name}`, () => configurationSection(run))),
  ];
}

function drawPage(runs) {
  Object.values(Chart.instances).forEach((chart) => chart.destroy());
  applyTheme();
  const parts = runs.length === 1 ? oneRun(runs[0]) : severalRuns(runs);
  document.getElementById("report").replaceChildren(...parts.filter((part) => part !== null));
  document.title = runs.length === 1 ? `${runs[0].name} – Tern`
                                     : `${runs.length} runs compared – Tern`;
}

const {runs} = JSON.parse(document.getElementById("data").textContent);
drawPage(runs);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawPage(runs));
