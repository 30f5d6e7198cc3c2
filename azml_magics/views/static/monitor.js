/* The live face of one run. Python decides what is shown; the page draws it, ticks, and says that somebody looks.
   Text from the service enters by textContent only. Nodes are made once and changed only where their text differs, so
   focus, selection and scroll position stay, and nothing jumps. */

const SVG = "http://www.w3.org/2000/svg";
const RING = "M8 1.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 1 1 0-12.5";
const ICONS = {
  waiting: [RING, "M8 4.6V8l2.3 1.7"],
  running: [RING, "M8 1.75a6.25 6.25 0 0 1 6.25 6.25"],
  done: [RING, "M5 8.2l2.1 2.1L11 6.2"],
  failed: [RING, "M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4"],
  canceled: [RING, "M3.8 12.2l8.4-8.4"],
  unknown: [RING, "M8 8h.01"],
};
const SEEN_EVERY = 20; // seconds between two «somebody looks»; the kernel slows down after 60 without
const LATE = 60; // seconds over the announced time after which the page says that no news comes
const KEEP = 64_000; // characters of log that an open page keeps; the kernel sends its last 8,000

const pad = (n) => String(n).padStart(2, "0");
const clock = (s) => {
  const t = Math.max(0, Math.floor(s)), days = Math.floor(t / 86400);
  return `${days ? `${days} d ` : ""}${Math.floor(t / 3600) % 24}:${pad(Math.floor(t / 60) % 60)}:${pad(t % 60)}`;
};
const span = (s) => (s < 60 ? `${Math.max(0, Math.floor(s))} s` : clock(s));
const ago = (s) => (s < 1.5 ? "just now" : s < 90 ? `${Math.round(s)} s ago`
  : s < 5400 ? `${Math.round(s / 60)} min ago` : `${Math.round(s / 3600)} h ago`);
const seconds = () => Date.now() / 1000;

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function el(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = `azml-${name}`;
  node.append(...children);
  return node;
}

function icon(kind) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.dataset.look = kind;
  for (const d of ICONS[kind] ?? ICONS.unknown) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** Status, name and link: the line that tells most. */
function heading() {
  const status = el("span", "status"), name = el("bdi", "name"), id = el("code", "id");
  const link = el("a", "link", "Open in studio");
  status.setAttribute("role", "status");
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return {
    node: el("div", "head", status, name, id, link),
    run(run) {
      put(name, run.name);
      name.title = run.name;
      put(id, run.id === run.name ? "" : run.id);
      id.title = run.id;
      link.hidden = !/^https:\/\//.test(run.url);
      if (!link.hidden) link.href = run.url;
      link.setAttribute("aria-label", `Open ${run.name} in studio`);
    },
    state(state) {
      if (status.dataset.word === state.status && status.dataset.look === state.look) return;
      Object.assign(status.dataset, { word: state.status, look: state.look });
      status.replaceChildren(icon(state.look), el("span", "", state.status || "Unknown"));
    },
  };
}

/** Label over value, side by side; Elapsed ticks. */
function facts() {
  const cells = {};
  const node = el("div", "facts");
  for (const label of ["Experiment", "Compute", "Started", "Elapsed", "Tags"]) {
    cells[label] = el("bdi", "value", "–");
    node.append(el("div", `fact azml-${label.toLowerCase()}`, el("span", "label", label), cells[label]));
  }
  return {
    node,
    show(label, text) {
      put(cells[label], text || "–");
      if (label !== "Elapsed") cells[label].title = text;
    },
  };
}

/** The way of the run: stations behind, the one under way with its ticking time, those ahead. */
function stations() {
  const node = el("ol", "steps");
  let drawn = "", now = null;
  node.setAttribute("aria-label", "Phases");
  return {
    node,
    state({ steps }) {
      const wanted = JSON.stringify(steps);
      if (wanted === drawn) return;
      drawn = wanted;
      now = null;
      node.replaceChildren(...steps.map(([name, mark, look, began, ended]) => {
        const time = el("span", "time", began !== null && ended !== null ? span(ended - began) : "");
        const item = el("li", "", el("span", "dot"), el("span", "station", name), time);
        Object.assign(item.dataset, { mark, look });
        item.title = name;
        if (mark === "now") {
          item.setAttribute("aria-current", "step");
          if (began !== null) now = { time, began };
        }
        return item;
      }));
    },
    tick(at) {
      if (now) put(now.time, span(at - now.began));
    },
  };
}

/** Why it failed or waits: one line that is always there, the whole text in one click. */
function reason() {
  const first = el("span", "first"), full = el("pre", "full"), summary = el("summary", "", first);
  const node = el("details", "reason", summary, full);
  first.dir = full.dir = "auto";
  return {
    node,
    state({ reason: text, look }) {
      const long = text.includes("\n") || text.length > 100;
      put(first, text.split("\n", 1)[0]);
      put(full, long ? text : "");
      node.dataset.look = look;
      node.dataset.long = long;
      summary.tabIndex = long ? 0 : -1;
      if (!long) node.open = false;
    },
  };
}

/** Where the new end of a log begins in the text that is shown: what was read stays, the rest is replaced. */
function overlap(shown, text) {
  const head = text.slice(0, 200), lastLine = shown.lastIndexOf("\n") + 1;
  for (let at = shown.lastIndexOf(head); at >= 0; at = at ? shown.lastIndexOf(head, at - 1) : -1) {
    let same = 0;
    while (at + same < shown.length && shown[at + same] === text[same]) same++;
    if (at + same >= lastLine) return { keep: at + same, add: text.slice(same) };
  }
  return { keep: 0, add: text };
}

/** The log: grows at its end and follows it, unless the reader has scrolled up. */
function output() {
  const text = document.createTextNode(""), pre = el("pre", "log"), empty = el("div", "empty", "No output yet");
  const follow = el("button", "follow", "Jump to the end");
  let pinned = true;
  pre.append(text);
  pre.tabIndex = 0;
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", "Log");
  pre.dataset.lmSuppressShortcuts = "true"; // JupyterLab: arrow keys scroll the log, not the cells
  follow.type = "button";
  const toEnd = () => { pre.scrollTop = pre.scrollHeight; };
  const mark = () => { follow.hidden = pinned; };
  pre.addEventListener("scroll", () => {
    pinned = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24;
    mark();
  });
  follow.addEventListener("click", () => { pinned = true; toEnd(); mark(); pre.focus(); });
  mark();
  const watch = new ResizeObserver(() => { if (pinned) toEnd(); }); // a hidden tab has no height to scroll
  watch.observe(pre);
  return {
    node: el("section", "pane azml-output", el("h4", "label", "Log"), pre, empty, follow),
    show(log) {
      const { keep, add } = overlap(text.data, log);
      if (keep < text.length) text.deleteData(keep, text.length - keep);
      if (add) text.appendData(add);
      if (pinned && text.length > KEEP) text.deleteData(0, text.length - KEEP);
      empty.hidden = text.length > 0;
      if (pinned) toEnd();
    },
    close: () => watch.disconnect(),
  };
}

/** The last value of every metric. */
function numbers() {
  const table = el("table", "table"), head = table.createTHead().insertRow(), body = table.createTBody();
  const scroll = el("div", "scroll", table), empty = el("div", "empty", "No metrics yet");
  const rows = new Map();
  for (const title of ["Name", "Last", "Step", "Values"]) {
    const cell = el("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Metrics");
  scroll.dataset.lmSuppressShortcuts = "true";
  return {
    node: el("section", "pane azml-metrics", el("h4", "label", "Metrics"), scroll, empty),
    show(metrics) {
      const gone = new Set(rows.keys());
      for (const [name, ...values] of metrics) {
        let cells = rows.get(name);
        if (!cells) {
          const row = body.insertRow(), title = el("th", "", el("bdi", "", name));
          title.scope = "row";
          title.title = name;
          row.append(title);
          rows.set(name, (cells = values.map(() => row.insertCell())));
        }
        gone.delete(name);
        values.forEach((value, i) => { put(cells[i], value); cells[i].title = value; });
      }
      for (const name of gone) {
        rows.get(name)[0].parentNode.remove();
        rows.delete(name);
      }
      empty.hidden = metrics.length > 0;
      table.hidden = !metrics.length;
    },
  };
}

function button(text, name, act) {
  const node = el("button", name, text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

/** Pause and Cancel. The second step stands elsewhere than the first: a double click cancels nothing. */
function actions(send) {
  let asking = 0; // when the page sent a cancel that the kernel has not answered yet
  const step = (ask) => {
    first.hidden = ask;
    second.hidden = !ask;
    (ask ? keep : cancel).focus();
  };
  const pause = button("Pause", "button azml-pause", () => send(pause.textContent.toLowerCase()));
  const cancel = button("Cancel run", "button", () => step(true));
  const keep = button("Keep running", "button", () => step(false));
  const sure = button("Yes, cancel it", "button azml-danger", () => {
    asking = seconds();
    send("cancel");
    step(false);
    cancel.disabled = true;
    put(cancel, "Canceling…");
    pause.focus();
  });
  const first = el("span", "step", pause, cancel), second = el("span", "step", keep, sure);
  second.hidden = true;
  second.dataset.lmSuppressShortcuts = "true";
  second.addEventListener("keydown", (event) => { if (event.key === "Escape") step(false); });
  const node = el("div", "actions", first, second);
  return {
    node,
    answered() { asking = 0; },
    waits: () => asking > 0 && seconds() - asking > 3,
    show({ live, over, off, cancelable, canceling }) {
      put(pause, live ? "Pause" : "Resume");
      pause.disabled = off || over;
      cancel.hidden = !cancelable;
      cancel.disabled = off || over || asking > 0 || canceling !== "";
      put(cancel, asking || canceling === "asked" ? "Canceling…" : canceling ? "Cancel sent" : "Cancel run");
      if ((off || over) && !second.hidden) step(false);
    },
  };
}

/** The clocks. `now` is the service's at its last answer, `at` the kernel's. A page that has just opened can only trust
    its own; from the first news on it goes by the moment at which that arrived. */
function clocks(model) {
  let { at, now } = model.get("pulse");
  let answered = Math.min(seconds(), at), heard = answered, offset = at - now;
  const due = () => heard + model.get("pulse").next;
  return {
    news() {
      const pulse = model.get("pulse");
      heard = seconds();
      if (pulse.at === at) return; // a turn without an answer
      ({ at, now } = pulse);
      answered = heard;
      offset = heard - now;
    },
    service: () => seconds() - offset,
    since: () => ago(seconds() - answered),
    left: () => Math.ceil(due() - seconds()),
    stale: () => model.get("live") && seconds() > due() + LATE,
  };
}

/** The parts in their places, and what the page shows of the run. */
function card(model, root) {
  const head = heading(), fact = facts(), way = stations(), why = reason(), log = output(), metrics = numbers();
  const act = actions((kind) => { model.send({ kind }); });
  const message = el("span", "message"), beat = el("span", "beat");
  message.setAttribute("role", "alert");
  root.append(head.node, fact.node, way.node, why.node, el("div", "panes", log.node, metrics.node),
    el("div", "foot", act.node, message, beat));
  return {
    act,
    run() {
      const run = model.get("run");
      head.run(run);
      for (const label of ["Experiment", "Compute", "Tags"]) fact.show(label, run[label.toLowerCase()]);
    },
    state() {
      const state = model.get("state");
      for (const part of [head, way, why]) part.state(state);
      fact.show("Started", state.started);
    },
    log: () => log.show(model.get("log")),
    metrics: () => metrics.show(model.get("metrics")),
    tick(now, frozen) {
      const { began, ended } = model.get("state");
      if (!frozen) way.tick(now);
      if (!frozen || ended !== null) fact.show("Elapsed", began === null ? "–" : clock((ended ?? now) - began));
    },
    foot(mood, text, news) {
      root.dataset.beat = mood;
      put(message, text);
      message.title = text;
      put(beat, news);
    },
    close: log.close,
  };
}

function render({ model, el: root }) {
  root.classList.add("azml-monitor");
  const time = clocks(model), view = card(model, root);
  let dead = false; // the kernel restarted, or the connection broke

  const trouble = (stale) => {
    if (dead) return "The kernel was restarted: run the cell again to go on.";
    if (stale) return "No news: this may be a saved picture. Run the cell again to go on.";
    if (view.act.waits()) return "The kernel is busy; the cancel goes out when its cell ends.";
    return model.get("error") || model.get("notice");
  };
  const show = () => {
    const { over } = model.get("state"), live = model.get("live"), failing = model.get("error") !== "";
    const stale = time.stale(), off = dead || stale;
    const paused = over || off || live ? "" : "Paused, ";
    const next = live && failing && !off && time.left() > 0 ? `, next try in ${time.left()} s` : "";
    const mood = over ? "over" : off ? "lost" : failing ? "trouble" : live ? "live" : "paused";
    view.tick(time.service(), off);
    view.foot(mood, trouble(stale), `${paused}updated ${time.since()}${next}`);
    view.act.show({ live, over, off, cancelable: model.get("cancelable"), canceling: model.get("canceling") });
  };
  const seen = () => { if (!dead && !document.hidden && !model.get("state").over) model.send({ kind: "seen" }); };
  const reactions = {
    "change:pulse": () => { dead = false; time.news(); show(); },
    "change:run": view.run,
    "change:state": () => { view.state(); show(); },
    "change:log": view.log,
    "change:metrics": view.metrics,
    "change:live change:error change:notice": show,
    "change:canceling": () => { view.act.answered(); show(); },
    "comm_live_update": () => { dead = true; show(); },
  };
  for (const [event, react] of Object.entries(reactions)) model.on(event, react);
  document.addEventListener("visibilitychange", seen);
  for (const draw of [view.run, view.state, view.log, view.metrics, show, seen]) draw();
  let beats = 0;
  const timer = setInterval(() => {
    show();
    if (++beats % SEEN_EVERY === 0) seen();
  }, 1000);
  return () => {
    clearInterval(timer);
    view.close();
    document.removeEventListener("visibilitychange", seen);
    for (const [event, react] of Object.entries(reactions)) model.off(event, react);
  };
}

export default { render };
