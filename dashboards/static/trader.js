// A tenant's desk, live. The document draws; rights, limits and figures are the platform's.
// Quotes and the desk's state come straight from the bridge with a single-use ticket; switches go through the broker.

const KEEP_POINTS = 240;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
// A stream that was refused is refused again a moment later, and each try is counted against the tier's rate.
const REFUSED_MS = 30000;
const CHECK_MS = 8000;
const STALE_MS = 15000;
// A desk speaks once a second even when nothing happens.
const SILENT_MS = 6000;

// --- the page --------------------------------------------------------------------------------------------------

function render({ el }) {
  const flip = themes();

  let me = null, desk = null, pointAt = 0, deskAt = 0, heardAt = 0, quoteAt = 0, link = "connecting", tries = 0, socket = null, refused = "", ended = "";
  const asked = []; // what the desk was told and has not answered yet
  const quotes = new Map();
  let points = [];

  const pill = h("span", { class: "pill wait", role: "status" }, h("i"), h("b", { text: "connecting" }));
  const who = h("span", { class: "who" });
  const tenant = h("span", { class: "tenant" });
  const approvals = h("a", { class: "leave", href: "/services/desk/approvals", text: "Approvals", hidden: true });
  const pause = h("button", { class: "act pause", onclick: () => confirm("pause"), text: "Pause" });
  const resume = h("button", { class: "act resume", onclick: () => confirm("resume"), text: "Resume" });
  const kill = h("button", { class: "act kill", onclick: () => confirm("kill"), text: "Kill" });
  const acts = h("div", { class: "acts" }, pause, resume, kill);
  const viewing = h("p", { class: "viewing", text: "You can watch this desk. Pausing it takes the role trader or admin." });
  const notice = h("div", { class: "notice", role: "alert", hidden: true });
  const { line: toast, up: toastUp } = toaster();

  const figure = (name) => {
    const amount = h("strong", { text: "\u2013" });
    const note = h("small");
    const title = h("span", { text: name });
    return { tile: h("div", { class: "tile" }, title, amount, note), name, title, amount, note };
  };
  const today = figure("Profit today"), total = figure("Profit in total"), open = figure("Open positions"), state = figure("Desk");
  const spark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  spark.setAttribute("viewBox", "0 0 240 48");
  spark.setAttribute("preserveAspectRatio", "none");
  spark.setAttribute("class", "spark");
  spark.setAttribute("role", "img");
  today.tile.classList.add("wide");
  today.tile.append(spark);

  const strategies = table("Strategies", [
    { name: "Name", kind: "name", draw: (cell, s) => {
      if (!cell.firstChild) cell.append(h("b"), h("small"));
      set(cell.firstChild, s.name);
      set(cell.lastChild, `${s.symbol} \u00b7 ${s.mode === "mt5" ? "MT5" : s.mode} \u00b7 ${s.hash.slice(0, 8)}`);
    } },
    { name: "State", kind: "state", draw: (cell, s) => {
      if (!cell.firstChild) cell.append(h("span"), h("small"));
      cls(cell.firstChild, `tag ${s.state}`);
      set(cell.firstChild, s.state);
      set(cell.lastChild, s.reason.replace(/:\s*$/, "") || (s.refusal ? `last order ${s.refusal}` : ""));
    } },
    column("Lots", "num", (s) => (s.lots ? `${side(s.lots)} ${lots(Math.abs(s.lots))}` : "Flat"), (s) => (s.lots ? "" : "dim")),
    column("Today", "num", (s) => signed(s.profit_today), (s) => tone(s.profit_today)),
    column("Total", "num", (s) => signed(s.profit), (s) => tone(s.profit)),
    column("Fills", "num", (s) => count(s.fills)),
    column("Denied", "num", (s) => count(s.denied + s.rejected), (s) => (s.denied + s.rejected ? "" : "dim")),
    { name: "", kind: "does", draw: (cell, s) => {
      if (!cell.firstChild) cell.append(h("button", { class: "small", onclick: () => confirm(cell.verb, cell.strategy) }));
      cell.strategy = s;
      cell.verb = s.state === "active" ? "pause" : "resume";
      cell.firstChild.hidden = !(me && me.acts) || s.state === "withdrawn";
      set(cell.firstChild, capital(cell.verb));
      cell.firstChild.setAttribute("aria-label", `${capital(cell.verb)} ${s.name}`);
    } },
  ], "No strategy is on this desk. A quant promotes one from a notebook, and an admin approves it.", "cards acting");
  const positions = table("Open positions", [
    column("Symbol", "name", (p) => p.symbol),
    column("Side", "", (p) => side(p.side), (p) => (p.side > 0 ? "long" : "short")),
    column("Lots", "num", (p) => lots(p.lots)),
    column("Opened at", "num", (p) => price(p.open_price, p.symbol)),
    column("Stop", "num", (p) => price(p.stop_loss, p.symbol), (p) => (p.stop_loss ? "" : "dim")),
    column("Profit", "num", (p) => signed(p.floating_profit), (p) => tone(p.floating_profit)),
    column("Strategy", "", (p) => p.strategy, () => "dim"),
  ], "No open positions.", "cards");
  const orders = table("Orders on their way", [
    column("Symbol", "name", (o) => o.symbol),
    column("Side", "", (o) => (o.side > 0 ? "Buy" : "Sell"), (o) => (o.side > 0 ? "long" : "short")),
    column("Lots", "num", (o) => lots(o.lots)),
    column("Sent", "num", (o) => clock(o.sent_ns)),
    column("Strategy", "", (o) => o.strategy, () => "dim"),
  ], "No orders are waiting for the broker.", "cards");
  const ticks = table("Last ticks", [
    column("Symbol", "name", (t) => t.symbol),
    column("Bid", "num", (t) => price(t.bid, t.symbol), (t) => (stale(t.at) ? "dim" : t.move)),
    column("Ask", "num", (t) => price(t.ask, t.symbol), (t) => (stale(t.at) ? "dim" : t.move)),
    { name: "Time, UTC", kind: "num", draw: (cell, t) => {
      set(cell, clock(t.time_ns));
      cls(cell, stale(t.at) ? "num dim" : "num");
      cell.title = `${day(t.time_ns)}, came ${span(Date.now() - t.at)} ago`;
    } },
  ], "No ticks have come yet.");
  const latency = table("Latency by stage", [
    column("Stage", "name", (l) => capital(l.key.replaceAll("_", " "))),
    column("Median", "num", (l) => micros(l.p50)),
    column("99 %", "num", (l) => micros(l.p99)),
    column("Longest", "num", (l) => micros(l.max)),
  ], "Nothing has been measured yet.");

  const ask_ = h("dialog", { class: "ask", "aria-labelledby": "ask-title" });
  const root = h("main", { class: "desk", id: "desk" },
    h("header", {},
      h("h1", {}, h("span", { class: "mark", "aria-hidden": "true" }), "Tickhub ", tenant),
      h("div", { class: "right" }, pill, who, h("button", { class: "theme", onclick: flip, "aria-label": "Switch between dark and light", text: "\u25d0" }),
        approvals, h("a", { class: "leave", href: "/hub/logout", text: "Log out" }))),
    notice,
    h("div", { class: "top" }, h("div", { class: "tiles" }, today.tile, total.tile, open.tile, state.tile), acts, viewing),
    h("div", { class: "grid" }, h("div", {}, strategies.section, positions.section, orders.section),
      h("div", {}, ticks.section, latency.section)),
    toast, ask_);
  el.replaceChildren(root);
  document.title = "Tickhub desk";

  // --- drawing ---

  function drawSpark() {
    if (points.length < 2) return spark.replaceChildren();
    const low = Math.min(...points), high = Math.max(...points), span = high - low || 1;
    const at = points.map((p, n) => `${((n / (points.length - 1)) * 240).toFixed(1)},${(44 - ((p - low) / span) * 40).toFixed(1)}`);
    const make = (tag, name, value) => {
      const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
      shape.setAttribute("points", value);
      shape.setAttribute("class", name);
      return shape;
    };
    spark.setAttribute("aria-label", `Profit since this page opened, between ${money(low)} and ${money(high)}`);
    spark.replaceChildren(make("polygon", "area", `0,48 ${at.join(" ")} 240,48`), make("polyline", "line", at.join(" ")));
    spark.setAttribute("class", `spark ${tone(points.at(-1) - points[0])}`);
  }

  function draw() {
    const empty = { strategies: [], positions: [], orders: [], ticks: [], latency_us: {}, warnings: [], refused: {} };
    const d = desk || empty;
    for (const t of d.ticks) {
      learn(t.symbol, t.bid, t.ask);
      if (!quotes.has(t.symbol)) quotes.set(t.symbol, { ...t, key: t.symbol, move: "", at: Date.now() });
    }
    const listed = [...d.strategies].sort((a, b) => (a.state === "withdrawn") - (b.state === "withdrawn"));
    strategies.update(listed.map((s, n) => ({ ...s, key: s.state === "withdrawn" ? `${s.hash}/${n}` : s.hash })));
    positions.update(d.positions.map((p) => ({ ...p, key: `${p.strategy}/${p.position_id}` })));
    orders.update(d.orders.map((o) => ({ ...o, key: o.key || `${o.order_id}` })));
    ticks.update([...quotes.values()].sort((a, b) => a.symbol.localeCompare(b.symbol)));
    latency.update(Object.entries(d.latency_us).filter(([, l]) => l.n).map(([key, l]) => ({ ...l, key })));
    const unit = [...new Set(d.strategies.map((s) => s.currency).filter(Boolean))].join(" and ");
    for (const [tile, amount] of [[today, d.profit_today], [total, d.profit]]) {
      set(tile.title, unit ? `${tile.name}, ${unit}` : tile.name);
      set(tile.amount, desk ? signed(amount) : "\u2013");
      cls(tile.amount, desk ? tone(amount) : "flat");
    }
    const held = d.positions.reduce((sum, p) => sum + p.lots, 0);
    const floating = d.positions.reduce((sum, p) => sum + p.floating_profit, 0);
    set(open.amount, desk ? String(d.positions.length) : "\u2013");
    set(open.note, d.positions.length ? `${lots(held)} lots, ${signed(floating)}${unit ? ` ${unit}` : ""} floating` : desk ? "flat" : "");
    const active = d.strategies.filter((s) => s.state === "active").length;
    set(state.amount, desk ? capital(d.state) : "Empty");
    cls(state.amount, desk ? `is ${d.state}` : "is");
    set(state.note, desk ? `${active} of ${d.strategies.length} strategies active` : "nothing is traded");
    acts.hidden = !(me && me.acts && desk);
    viewing.hidden = !(me && !me.acts);
    pause.disabled = asked.length || !desk || d.state !== "active";
    resume.disabled = asked.length || !desk || (d.state === "active" && active === d.strategies.length);
    kill.disabled = asked.includes("kill") || !desk || d.state === "killed";
    const unrun = Object.entries(d.refused).map(([hash, why]) => `Strategy ${hash.slice(0, 8)} is not run: ${why}`);
    const mute = silent() ? ["The desk is not heard any more. What stands here is as it was last; a switch may not reach it."] : [];
    const said = ended || [...(refused ? [`No live stream here: ${refused}. This page looks every few seconds instead.`] : []), ...mute, ...(d.orphans || []).map((o) => o.words), ...d.warnings, ...unrun].join("\n");
    set(notice, said);
    notice.hidden = !said;
    root.classList.toggle("ended", Boolean(ended));
    drawSpark();
    drawLink();
  }

  const span = (ms) => (ms < 60000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60000)} min`);
  // Quotes may go on while the engine that trades on them is gone.
  const stale = (at) => Date.now() - at > STALE_MS;
  const silent = () => Boolean(desk) && link === "live" && Date.now() - deskAt > SILENT_MS;

  function drawLink() {
    const age = heardAt ? Date.now() - heardAt : 0;
    const old = span(age);
    let words = link, look = "wait";
    if (ended) [words, look] = ["ended", "bad"];
    else if (silent() && age <= STALE_MS) [words, look] = [`${Date.now() - quoteAt > SILENT_MS ? "" : "quotes live, "}desk silent for ${span(Date.now() - deskAt)}`, "bad"];
    else if (link === "live" && !heardAt) [words, look] = ["live, nothing yet", "good"];
    else if (link === "live" && age > STALE_MS) [words, look] = [`live, last data ${old} ago`, "wait"];
    else if (link === "live" && quotes.size && stale(quoteAt)) [words, look] = [`live, no quote for ${span(Date.now() - quoteAt)}`, "wait"];
    else if (link === "live") [words, look] = [age < 1500 ? "live" : `live, ${old} ago`, "good"];
    else if (heardAt) words = `${link}, data ${old} old`;
    pill.title = words.includes("no quote") ? "The market is closed, or no terminal sends quotes." : "";
    cls(pill, `pill ${look}`);
    set(pill.lastChild, words);
  }

  let due = 0;
  const soon = () => { due = due || setTimeout(() => { due = 0; draw(); }, 150); };

  function take(state) {
    if (!state || !state.tenant) return;
    desk = state;
    deskAt = Date.now();
    if (deskAt - pointAt > 900) {
      pointAt = deskAt;
      points = [...points, state.profit].slice(-KEEP_POINTS);
    }
    soon();
  }

  // --- the live stream ---

  async function connect() {
    if (ended) return;
    try {
      const pass = await ask("ticket", {});
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      socket = new WebSocket(pass.url ? `${pass.url}/ws/stream` : `${scheme}://${location.hostname}:${pass.port}/ws/stream`);
      const mine = socket;
      mine.onopen = () => { mine.send(JSON.stringify({ ticket: pass.ticket, symbols: [] })); link = "live"; quoteAt = Date.now(); soon(); };
      mine.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.type === "refused") { refused = message.message; return; }
        [tries, refused] = [0, ""];
        heardAt = Date.now();
        if (message.type === "desk") take(message.desk);
        for (const t of message.ticks || []) {
          quoteAt = heardAt;
          learn(t.symbol, t.bid, t.ask);
          const before = quotes.get(t.symbol);
          quotes.set(t.symbol, { ...t, key: t.symbol, move: !before || t.bid === before.bid ? "" : t.bid > before.bid ? "up" : "down", at: heardAt });
        }
        soon();
      };
      mine.onclose = () => { if (mine === socket) again(); };
    } catch (error) {
      if (error instanceof Gone) return over(error.message);
      again();
    }
  }

  function again() {
    if (ended) return;
    link = refused ? "not live" : "reconnecting";
    soon();
    setTimeout(connect, refused ? REFUSED_MS : RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
  }

  function over(why) {
    ended = `Your access to this desk has ended: ${why}. Log in again, or ask an admin.`;
    desk = null;
    quotes.clear();
    points = [];
    if (ask_.open) ask_.close();
    if (socket) socket.close();
    draw();
  }

  // --- rights: asked for at the start and again and again ---

  async function check() {
    try {
      me = await ask("me");
      set(tenant, me.tenant);
      set(who, `${me.user}, ${me.role}`);
      approvals.hidden = me.role !== "admin";
    } catch (error) {
      if (error instanceof Gone) return over(error.message);
    }
    soon();
  }

  async function refresh() {
    try {
      take((await ask("desk")).state);
    } catch (error) {
      if (error instanceof Gone) over(error.message);
      else if (error.status === 404) { desk = null; soon(); }
    }
  }

  // --- switches ---

  function confirm(verb, strategy) {
    const what = strategy ? `strategy ${strategy.name}` : "the whole desk";
    const held = desk.positions.filter((p) => !strategy || p.strategy === strategy.name);
    const sum = held.reduce((s, p) => s + p.lots, 0);
    const text = {
      pause: `No new position is opened by ${what}. Open positions stay, with their stops, and may still be reduced.`,
      resume: `New orders may be sent at once by ${what}.`,
      kill: held.length
        ? `${held.length === 1 ? "The open position" : `All ${held.length} open positions`} (${lots(sum)} lots) ${held.length === 1 ? "is" : "are"} closed at the market at once, and nothing trades until somebody resumes.`
        : "There are no open positions to close. Nothing trades until somebody resumes.",
    }[verb];
    const reason = h("input", { type: "text", maxlength: "200", placeholder: "Why (goes into the trail)", "aria-label": "Why" });
    const yes = h("button", { class: `act ${verb}`, type: "submit", text: `${capital(verb)} ${strategy ? strategy.name : "the desk"}` });
    const no = h("button", { class: "quiet", type: "button", onclick: () => ask_.close(), text: "Cancel" });
    const form = h("form", {
      method: "dialog",
      onsubmit: (event) => { event.preventDefault(); ask_.close(); act(verb, strategy, reason.value); },
    }, h("h3", { id: "ask-title", text: `${capital(verb)} ${what}?` }), h("p", { text }), reason, h("div", {}, no, yes));
    ask_.replaceChildren(form);
    ask_.showModal();
    (verb === "kill" ? no : yes).focus();
  }

  async function act(verb, strategy, reason) {
    const what = strategy ? strategy.name : "The desk";
    asked.push(verb); // a kill does not wait for the answer to a pause
    toastUp(`${what} is being ${{ pause: "paused", resume: "resumed", kill: "killed" }[verb]}\u2026`, false, UNTIL_ANSWERED_MS);
    draw();
    try {
      const answer = await ask(verb, { reason: reason.trim(), ...(strategy ? { strategy: strategy.hash } : {}) });
      take(answer.state);
      const done = { pause: "paused", resume: "trading again", kill: "killed" }[verb];
      const meant = verb === "resume" ? answer.state.strategies.filter((s) => !strategy || s.hash === strategy.hash) : [];
      const stay = meant.filter((s) => s.state !== "active" && s.state !== "withdrawn");
      if (strategy && stay.length) toastUp(`${strategy.name} stays ${stay[0].state}: ${stay[0].reason}`, true);
      else if (stay.length) toastUp(`The desk is ${done}; not so ${stay.map((s) => s.name).join(", ")}: see why beside the name.`, true);
      else toastUp(`${what} is ${done}.`);
    } catch (error) {
      toastUp(`Not done: ${error.message}`, true);
      if (error instanceof Gone) over(error.message);
    } finally {
      asked.splice(asked.indexOf(verb), 1);
      soon();
    }
  }

  draw();
  check().then(refresh).then(connect);
  const checking = setInterval(() => { if (!ended) check(); if (!ended && (!desk || link !== "live" || silent())) refresh(); }, CHECK_MS);
  const aging = setInterval(() => (silent() || notice.hidden === false ? draw() : drawLink()), 500);
  return () => { clearInterval(checking); clearInterval(aging); ended = ended || "closed"; if (socket) socket.close(); };
}

export default { render };
