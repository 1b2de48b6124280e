// Numbers as text, and elements of the page. Text is always set as text, never as markup.
"use strict";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const sum = (values) => values.reduce((total, value) => total + (isNumber(value) ? value : 0), 0);

const NONE = "–";

const format = {
  count: (value) => isNumber(value) ? Math.round(value).toLocaleString("en") : NONE,
  percent: (value) => isNumber(value) ? `${(100 * value).toFixed(1)} %` : NONE,
  // As few digits as there are, for axes.
  shortPercent: (value) => `${Number((100 * value).toFixed(2))} %`,
  short: (value) => String(Number(value.toFixed(4))),
  fixed: (value, digits) => isNumber(value) ? value.toFixed(digits) : NONE,
  scaled(value, base, units) {
    if (!isNumber(value)) return NONE;
    let unit = 0;
    while (Math.abs(value) >= 0.99995 * base && unit + 1 < units.length) {
      value /= base;
      ++unit;
    }
    const digits = Number.isInteger(value) || Math.abs(value) >= 99.95 ? 0 : 1;
    return `${value.toFixed(digits)} ${units[unit]}`;
  },
  bytes: (value) => format.scaled(value, 1000, ["B", "kB", "MB", "GB", "TB"]),
  memory: (value) => format.scaled(value, 1024, ["B", "KiB", "MiB", "GiB"]),
  energy(value) {
    if (isNumber(value) && value !== 0 && Math.abs(value) < 1) {
      return `${(1000 * value).toFixed(1)} mJ`;
    }
    return format.scaled(value, 1000, ["J", "kJ", "MJ"]);
  },
  duration(seconds) {
    if (!isNumber(seconds)) return NONE;
    if (seconds < 59.95) return `${seconds.toFixed(1).replace(/\.0$/, "")} s`;
    const two = (number) => String(number).padStart(2, "0");
    const whole = Math.round(seconds);
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    const minutes = Math.round(whole / 60);
    if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
    const hours = Math.round(whole / 3600);
    return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
  },
  plural: (count, word) => `${format.count(count)} ${word}${count === 1 ? "" : "s"}`,
};

// element("td", {class: "number", title: "..."}, "text", otherElement): null children are left out.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

// A table in a box that scrolls sideways on a narrow screen. Cells: text, {text, title} or an
// element. The first column names the rows; the others are numbers but for `textColumns`, or all
// text.
function table(header, rows, {textColumns = [], allText = false} = {}) {
  const alignment = (index) =>
      index === 0 || allText || textColumns.includes(index) ? null : "number";
  const cell = (content, index) => {
    const {text, title = null} = content?.text === undefined ? {text: content} : content;
    const attributes = {class: alignment(index), title, scope: index === 0 ? "row" : null};
    return element(index === 0 ? "th" : "td", attributes,
        text instanceof Node ? text : String(text));
  };
  const head = header.map((name, index) =>
      element("th", {scope: "col", class: alignment(index)}, name));
  return element("div", {class: "scroll"},
      element("table", {}, element("thead", {}, element("tr", {}, head)),
          element("tbody", {}, rows.map((row) => element("tr", {}, row.map(cell))))));
}

// Buttons of which one is pressed; `choose` is called with its key, also for the first at once.
function choice(label, options, choose) {
  const buttons = options.map(([key, text]) =>
      element("button", {type: "button", onclick: () => press(key)}, text));
  const press = (key) => {
    options.forEach(([other], index) =>
        buttons[index].setAttribute("aria-pressed", String(other === key)));
    choose(key);
  };
  press(options[0][0]);
  return element("div", {class: "choice", role: "group", "aria-label": label},
      element("span", {}, label), buttons);
}

// What a part of the page says that could not be drawn, instead of a page without it.
function section(title, build) {
  const box = element("section", {}, element("h2", {}, title));
  try {
    const content = build();
    if (content === null) return null;
    box.append(...[content].flat().filter((child) => child !== null && child !== undefined));
  } catch (error) {
    box.append(element("p", {class: "error"}, `Cannot be drawn from this run's files: ${error}`));
  }
  return box;
}

const note = (...text) => element("p", {class: "note"}, ...text);
