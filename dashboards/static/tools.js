// What every page shares: making elements, asking the platform, tables. It is put before a page's own file.

const BROKER = "/services/desk/broker/";

// --- small tools -----------------------------------------------------------------------------------------------

function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, given] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), given);
    else if (name === "text") element.textContent = given;
    else if (given !== undefined && given !== false) element.setAttribute(name, given === true ? "" : given);
  }
  element.append(...children);
  return element;
}

const set = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const cls = (element, name) => { if (element.className !== name) element.className = name; };

const money = (amount) =>
  (amount < 0 ? "\u2212" : "") +
  Math.abs(amount).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const signed = (amount) => (amount > 0.004 ? "+" : "") + money(Math.abs(amount) < 0.005 ? 0 : amount);
const tone = (amount) => (amount > 0.004 ? "up" : amount < -0.004 ? "down" : "flat");
const count = (n) => Math.round(n).toLocaleString("en-US");
const lots = (n) => n.toFixed(2);
// A quote arrives as the terminal wrote it, so a symbol has as many digits as its longest quote so far.
const digits = new Map();
const learn = (symbol, ...quotes) => {
  for (const quote of quotes) {
    const n = (String(quote).split(".")[1] || "").length;
    if (n <= 8 && n > (digits.get(symbol) ?? -1)) digits.set(symbol, n);
  }
};
const price = (p, symbol) => (p ? p.toFixed(digits.get(symbol) ?? 5) : "\u2013");
const clock = (ns) => (ns ? new Date(ns / 1e6).toISOString().slice(11, 19) : "\u2013");
const day = (ns) => (ns ? new Date(ns / 1e6).toISOString().slice(0, 10) : "");
const side = (n) => (n > 0 ? "Long" : n < 0 ? "Short" : "Flat");
const micros = (us) => (us >= 1e6 ? `${(us / 1e6).toFixed(1)} s` : us >= 1e3 ? `${(us / 1e3).toFixed(1)} ms` : `${us.toFixed(0)} \u00b5s`);
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

class Gone extends Error {}

async function ask(path, body) {
  const xsrf = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]+)/);
  const answer = await fetch(BROKER + path, {
    method: body === undefined ? "GET" : "POST",
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { "X-XSRFToken": xsrf ? decodeURIComponent(xsrf[1]) : "" },
    credentials: "same-origin", redirect: "error", cache: "no-store",
  });
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  // A refusal with a code is about this one request; without one, or with "ended", the viewer is let in no more.
  const gone = answer.status === 401 || (answer.status === 403 && (!content.error || content.error === "ended"));
  // Who is logged out is told "Forbidden" by whoever stands at the door, which is nothing to read.
  const said = gone && !content.error ? "you are logged out, or it was taken from you" : content.message;
  const error = new (gone ? Gone : Error)(said || `the platform answered ${answer.status}`);
  error.code = content.error;
  error.status = answer.status;
  throw error;
}

// --- tables: rows are kept by key, so that a click never meets a row that was just replaced ----------------------

function table(title, columns, empty, look = "") {
  const body = h("tbody");
  const none = h("p", { class: "none", text: empty });
  const head = h("tr", {}, ...columns.map((c) => h("th", { class: c.kind || "", scope: "col", text: c.name })));
  const grid = h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head), body));
  const total = h("span", { class: "count" });
  const rows = new Map();
  const update = (items) => {
    set(total, items.length ? String(items.length) : "");
    grid.hidden = !items.length;
    none.hidden = items.length > 0;
    const seen = new Set();
    items.forEach((item, place) => {
      seen.add(item.key);
      let row = rows.get(item.key);
      if (!row) {
        row = h("tr", {}, ...columns.map((c) => h("td", { class: c.kind || "", "data-name": c.name })));
        rows.set(item.key, row);
      }
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] || null);
      columns.forEach((c, n) => c.draw(row.children[n], item));
    });
    for (const [key, row] of rows) if (!seen.has(key)) { row.remove(); rows.delete(key); }
  };
  const section = h("section", { class: `card ${look}` }, h("h2", {}, title, " ", total), grid, none);
  return { section, update, none };
}

const column = (name, kind, read, look) => ({
  name, kind,
  draw: (cell, item) => { set(cell, read(item)); cls(cell, `${kind} ${look ? look(item) : ""}`.trim()); },
});

// --- a line at the foot of the page: what is being done, what was, or why not ------------------------------------

// Longer than the platform waits for its engine.
const UNTIL_ANSWERED_MS = 60000;

function toaster() {
  const line = h("div", { class: "toast", role: "status", hidden: true });
  let timer = 0;
  const up = (words, bad = false, lastsMs = bad ? 12000 : 6000) => {
    set(line, words);
    cls(line, `toast ${bad ? "bad" : "good"}`);
    line.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => { line.hidden = true; }, lastsMs);
  };
  return { line, up };
}

// --- two themes: the browser's choice until the viewer makes one ---

function themes() {
  const saved = localStorage.getItem("tickhub-theme");
  if (saved) document.documentElement.dataset.theme = saved;
  const flip = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    localStorage.setItem("tickhub-theme", document.documentElement.dataset.theme);
  };
  return flip;
}

