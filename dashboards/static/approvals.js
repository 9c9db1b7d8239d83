// What quants submitted, for an admin to read and decide on. The text of a strategy is shown, never run.

const LIST_MS = 5000;

function render({ el }) {
  const flip = themes();
  let me = null, chosen = "", known = [], ended = "", busy = false;

  const who = h("span", { class: "who" });
  const tenant = h("span", { class: "tenant" });
  const notice = h("div", { class: "notice", role: "alert", hidden: true });
  const { line: toast, up: toastUp } = toaster();
  const ask_ = h("dialog", { class: "ask", "aria-labelledby": "ask-title" });
  const when = (text) => (text ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : "\u2013");

  const list = table("Strategies", [
    { name: "Name", kind: "name", draw: (cell, s) => {
      if (!cell.firstChild) cell.append(h("button", { class: "small open", onclick: () => open(cell.hash) }), h("small"));
      cell.hash = s.hash;
      set(cell.firstChild, s.name);
      set(cell.lastChild, s.hash.slice(0, 8));
    } },
    column("Author", "", (s) => s.author),
    column("Submitted, UTC", "num", (s) => when(s.submitted_at)),
    { name: "Status", kind: "state", draw: (cell, s) => {
      if (!cell.firstChild) cell.append(h("span"));
      cls(cell.firstChild, `tag ${{ approved: "active", rejected: "killed", submitted: "paused" }[s.status] || ""}`);
      set(cell.firstChild, s.status);
    } },
  ], "Nothing has been submitted. A quant promotes a strategy from a notebook.", "cards");
  const detail = h("section", { class: "card detail", hidden: true, "aria-live": "polite" });
  const root = h("main", { class: "desk", id: "approvals" },
    h("header", {},
      h("h1", {}, h("span", { class: "mark", "aria-hidden": "true" }), "Approvals ", tenant),
      h("div", { class: "right" }, who, h("button", { class: "theme", onclick: flip, "aria-label": "Switch between dark and light", text: "\u25d0" }),
        h("a", { class: "leave", href: "/services/desk/", text: "Desk" }), h("a", { class: "leave", href: "/hub/home", text: "Hub" }),
        h("a", { class: "leave", href: "/hub/logout", text: "Log out" }))),
    notice, h("div", { class: "grid" }, h("div", {}, list.section), h("div", {}, detail)), toast, ask_);
  el.replaceChildren(root);
  document.title = "Tickhub approvals";

  const say = (words) => { set(notice, words); notice.hidden = !words; };

  function over(why) {
    ended = why;
    say(`${capital(why)}. Log in again, or ask an admin.`);
    root.classList.add("ended");
    if (ask_.open) ask_.close();
  }

  // Answers may overtake one another: an older list never covers a newer one.
  let asked = 0, shown = 0;
  async function refresh() {
    if (ended) return;
    const mine = ++asked;
    try {
      if (!me) {
        me = await ask("me");
        set(tenant, me.tenant);
        set(who, `${me.user}, ${me.role}`);
      }
      if (me.role !== "admin") return over("This page takes the role admin");
      const read = await ask("strategies");
      if (mine < shown) return;
      shown = mine;
      known = read;
      list.update(known.map((s) => ({ ...s, key: s.hash })));
      say("");
      const now = known.find((s) => s.hash === chosen);
      if (now && (detail.dataset.status !== now.status || detail.dataset.judging) && !ask_.open) await open(chosen);
    } catch (error) {
      if (error instanceof Gone) over(error.message);
      else say(`Not up to date: ${error.message}`);
    }
  }

  // --- one strategy, as its passport states it ---

  const line = (name, text) => [h("dt", { text: name }), h("dd", { text: text || "\u2013" })];
  const pairs = (object) => Object.entries(object).map(([key, given]) => `${key} = ${given ?? "by default"}`).join(", ");

  // What is to be read before approving: the platform's own findings, and what is only claimed told from it.
  const tag = (look, text) => h("span", { class: `tag ${look}`, text });
  const finding = (name, look, word, text, ...more) =>
    [h("dt", { text: name }), h("dd", {}, tag(look, word), " ", h("span", { text }), ...more)];
  const own_words = (evidence) => Object.fromEntries(Object.entries(evidence).filter(([name]) => !name.startsWith("parity")));
  const times = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;

  function found(p) {
    const list = h("dl", { class: "found" });
    const trials = p.findings.trials;
    const deflated = Object.entries(p.evidence).filter(([name]) => /deflated/i.test(name));
    const says = deflated.length ? ` Its author says: ${pairs(Object.fromEntries(deflated))}.` : "";
    if (trials && trials.n_trials) {
      list.append(...finding("Trials", "", times(trials.n_trials, "trial"),
        `of \u201c${trials.hypothesis}\u201d in ${times(trials.n_runs, "run")}; ${count(trials.n_on_instrument)} on ${p.symbol} for whatever idea. The best of many is good by luck.${says}`));
    } else {
      list.append(...finding("Trials", "paused", "none counted",
        `The platform saw no backtest of it${trials ? `; ${times(trials.n_on_instrument, "trial")} on ${p.symbol} for other ideas` : ""}.${says}`));
    }
    const look = p.findings.hold_out;
    if (!look) {
      list.append(...finding("Sealed hold-out", "paused", "not asked", "Nobody had it judged on data that no notebook could read.",
        h("div", {}, h("button", { class: "small judge", onclick: () => judge(p), text: "Have it judged\u2026" }))));
    } else if (look.verdict === "running") {
      list.append(...finding("Sealed hold-out", "", "running", "It is being judged; this page shows the verdict when it is there."));
    } else {
      const tone = { pass: "active", fail: "killed", inconclusive: "paused" }[look.verdict] || "";
      const watched = look.watched_days ? ` On ${times(look.watched_days, "day")} of them somebody here saw the live stream.` : "";
      list.append(...finding("Sealed hold-out", tone, look.verdict, `${capital(look.reason)}. Profit ${look.profit}, Sharpe ratio ${look.sharpe}, ` +
        `${look.trades} trades in ${times(look.days, "day")}; look ${look.n_look} at ${p.symbol}.${watched}`));
    }
    const ours = p.evidence["parity, by the platform"] || "", theirs = p.evidence.parity || "";
    const signed = [ours, theirs].find((text) => text.startsWith("signed by the platform"));
    const worth = signed || theirs || ours;
    const gap = /: gap, /.test(worth);
    const little = /; worth l/.test(worth);
    if (signed) list.append(...finding("Parity with live", gap ? "killed" : little ? "paused" : "active", gap ? "signed: a gap" : little ? "signed, worth little" : "signed", capital(worth.replace("signed by the platform", "by the platform"))));
    else if (theirs.startsWith("unsigned")) list.append(...finding("Parity with live", gap ? "killed" : "paused", "author\u2019s claim", `${theirs}. By the platform: ${ours}.`));
    else if (theirs) list.append(...finding("Parity with live", "killed", "worthless", theirs));
    else list.append(...finding("Parity with live", "paused", "no certificate", "An operator makes one: tickhub parity --certify."));
    return list;
  }

  function judge(p) {
    dialog(`Judge ${p.name} on the hold-out?`, `It takes one of the looks at ${p.symbol}, once: the answer stands for ever.`, [],
      "Judge", "resume", async () => {
        try {
          await ask(`strategies/${p.hash}/hold-out`, {});
          toastUp(`${p.name} is being judged.`);
        } catch (error) {
          toastUp(`Not judged: ${error.message}`, true);
          if (error instanceof Gone) return over(error.message);
        }
        await open(p.hash);
      });
  }

  async function open(hash) {
    chosen = hash;
    try {
      const p = await ask(`strategies/${hash}`);
      if (chosen !== hash) return;
      const s = known.find((each) => each.hash === hash) || p;
      const own = p.author === me.user;
      const approve = h("button", { class: "act resume", onclick: () => consent(p), text: "Approve", disabled: own || s.status === "approved" });
      const reject = h("button", { class: "act kill", onclick: () => decline(p), text: s.status === "approved" ? "Withdraw" : "Reject", disabled: s.status === "rejected" });
      detail.dataset.status = s.status;
      detail.dataset.judging = (p.findings.hold_out || {}).verdict === "running" ? "yes" : "";
      detail.replaceChildren(
        h("h2", {}, `${p.name} `, h("span", { class: "count", text: hash.slice(0, 12) })),
        h("h3", { text: "What the platform found" }), found(p), h("h3", { text: "What it is" }),
        h("dl", {},
          ...line("Author", p.author), ...line("Trades", `${p.symbol}, decides on each ${p.on === "tick" ? "tick" : `${p.on} bar`}`),
          ...line("Parameters", pairs(p.params)), ...line("Features", p.features.join("\n")),
          ...line("Reads from outside", p.channels.join(", ")), ...line("Models", pairs(p.models)), ...line("Size", p.sizing),
          ...line("Account", `${p.account.hedging ? "hedging" : "netting"}, ${money(p.account.deposit)} ${p.account.currency}, leverage ${p.account.leverage}`),
          ...line("Limits it asks for", pairs(p.limits)), ...line("Costs assumed", pairs(p.costs)),
          ...line("Evidence, by its author", pairs(own_words(p.evidence))), ...line("Researched with", pairs(p.environment))),
        h("h3", { text: "Source" }), h("pre", { tabindex: "0", text: p.source }),
        h("p", { class: "none", hidden: !own, text: "You wrote this strategy; another admin must approve it." }),
        h("div", { class: "acts row" }, approve, reject));
      detail.hidden = false;
    } catch (error) {
      if (error instanceof Gone) over(error.message);
      else toastUp(`Not shown: ${error.message}`, true);
    }
  }

  // --- decisions ---

  function dialog(title, text, fields, verb, look, done) {
    const yes = h("button", { class: `act ${look}`, type: "submit", text: verb });
    const no = h("button", { class: "quiet", type: "button", onclick: () => ask_.close(), text: "Cancel" });
    ask_.replaceChildren(h("form", {
      method: "dialog", onsubmit: (event) => { event.preventDefault(); ask_.close(); done(); },
    }, h("h3", { id: "ask-title", text: title }), h("p", { text }), ...fields, h("div", {}, no, yes)));
    ask_.showModal();
    no.focus();
  }

  function consent(p) {
    const mode = h("select", { "aria-label": "Where it trades" },
      h("option", { value: "paper", text: "On paper: live ticks, simulated orders" }),
      h("option", { value: "mt5", text: "In a MetaTrader 5 terminal: real orders" }));
    const agent = h("input", { type: "text", maxlength: "64", placeholder: "Name of the agent at the terminal", "aria-label": "Agent", hidden: true });
    mode.addEventListener("change", () => { agent.hidden = mode.value !== "mt5"; agent.required = !agent.hidden; });
    dialog(`Approve ${p.name}?`, "The engine takes it at once, within the limits that are shown.", [mode, agent], "Approve", "resume",
      () => decide(p, "approve", { mode: mode.value, agent: mode.value === "mt5" ? agent.value.trim() : "" }, "approved"));
  }

  function decline(p) {
    const reason = h("input", { type: "text", maxlength: "200", placeholder: "Why (goes into the trail)", "aria-label": "Why" });
    dialog(`Refuse ${p.name}?`, "If it trades, it goes flat and is taken off the desk.", [reason], "Refuse", "kill",
      () => decide(p, "reject", { reason: reason.value.trim() }, "refused"));
  }

  async function decide(p, verb, body, done) {
    if (busy) return;
    busy = true;
    toastUp(`${p.name}: the engine is told\u2026`, false, UNTIL_ANSWERED_MS);
    try {
      const answer = await ask(`strategies/${p.hash}/${verb}`, body);
      const said = `${p.name} is ${done}; ${answer.engine_told ? "the engine knows" : "the engine takes it in when it is up"}.`;
      toastUp(said);
      await refresh();
      toastUp(said); // stays a while beside the list that shows it, however long that took
    } catch (error) {
      toastUp(`Not done: ${error.message}`, true);
      if (error instanceof Gone) over(error.message);
    } finally {
      busy = false;
    }
  }

  list.update([]);
  refresh();
  const listing = setInterval(refresh, LIST_MS);
  return () => clearInterval(listing);
}

export default { render };
