// Brings the pages of supervisord to life. One file, nothing from elsewhere; the pages work without
// it. Whatever comes from processes goes into texts of nodes, never into markup.
"use strict";
(() => {
  const STATES = ["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"];
  const LOOKS = { RUNNING: "good", STARTING: "busy", STOPPING: "busy", STOPPED: "calm", EXITED: "calm" };
  const KEPT = 150;
  // samples in the small charts of rows, and their width
  const SMALL = 60;
  const $ = (selector, from = document) => from.querySelector(selector);
  const make = (tag, attributes = {}, ...children) => {
    const svg = tag === "svg" || tag === "polyline";
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const fullName = (p) => (p.group === p.name ? p.name : `${p.group}:${p.name}`);
  // always there, since screen readers tell of changes in what they know; empty it takes no room
  const live = make("p", { class: "message", role: "status" });
  const say = (text) => {
    live.textContent = text;
  };
  const ask = async (address) => {
    const answer = await fetch(address, { credentials: "same-origin", cache: "no-store" });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.json();
  };

  // ------------------------------------------------------------ actions without leaving the page

  const button = (name, action, text) =>
    make("a", { class: "button", href: `index.html?processname=${encodeURIComponent(name)}&action=${action}` }, text);
  const offered = (state) => {
    if (state === "RUNNING") return [["restart", "Restart"], ["stop", "Stop"], ["clearlog", "Clear Log"]];
    if (["STOPPED", "EXITED", "FATAL"].includes(state)) return [["start", "Start"], ["clearlog", "Clear Log"]];
    return [["clearlog", "Clear Log"]];
  };
  const act = async (link, fields) => {
    const action = fields.get("action");
    const many = !fields.has("processname") && action !== "startall" && action !== "start";
    if (many && !confirm(`${link.getAttribute("aria-label") || link.textContent}?`)) return;
    fields.set("quiet", "1");
    link.setAttribute("aria-busy", "true");
    say("");
    try {
      const answer = await fetch("index.html", { method: "POST", body: fields, credentials: "same-origin" });
      say(answer.ok ? await answer.text() : `That did not work: ${answer.status} ${answer.statusText}`);
    } catch (error) {
      say(`supervisord does not answer: ${error.message}`);
    }
    link.removeAttribute("aria-busy");
    if (fields.has("processname")) touch(fields.get("processname"));
    else touch();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const action = new URL(link.href).searchParams.get("action");
    if (link.origin !== location.origin || !action) return;
    event.preventDefault();
    if (action === "refresh") touch();
    else act(link, new URL(link.href).searchParams);
  });
  document.addEventListener("submit", (event) => {
    const { target, submitter } = event;
    if (!target.matches("form.actions") || !submitter) return;
    event.preventDefault();
    const fields = new URLSearchParams(new FormData(target));
    fields.set(submitter.name, submitter.value);
    act(submitter, fields);
  });

  // ------------------------------------------------------------ rows and their states

  const rows = new Map();
  const shownAt = new WeakMap();
  for (const row of document.querySelectorAll("[data-process]")) {
    const inTable = row.cells;
    rows.set(row.dataset.process, {
      row,
      state: inTable ? inTable[0].firstChild : $(".state", row),
      description: inTable ? inTable[1] : $("[data-description]", row),
      actions: row.lastElementChild,
      cpu: [],
      rss: [],
    });
  }
  const uptimeOf = (text) => {
    const found = /^pid (\d+), uptime (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)$/.exec(text);
    if (!found) return null;
    const [days, hours, minutes, seconds] = found.slice(2).map((n) => Number(n || 0));
    return { pid: found[1], since: Date.now() - 1000 * (((days * 24 + hours) * 60 + minutes) * 60 + seconds) };
  };
  const uptime = (up) => {
    const secs = Math.max(0, Math.floor((Date.now() - up.since) / 1000));
    const two = (n) => String(n).padStart(2, "0");
    const days = Math.floor(secs / 86400);
    const clock = `${Math.floor(secs / 3600) % 24}:${two(Math.floor(secs / 60) % 60)}:${two(secs % 60)}`;
    const before = days === 0 ? "" : days === 1 ? "1 day, " : `${days} days, `;
    return `pid ${up.pid}, uptime ${before}${clock}`;
  };
  const look = (state) => `state ${LOOKS[state] || "bad"}`;
  const show = (info) => {
    const one = rows.get(fullName(info));
    if (!one) return false;
    const word = info.statename.toLowerCase();
    one.up = uptimeOf(info.description);
    one.description.textContent = info.description;
    if (one.state.textContent !== word) {
      const held = one.actions.contains(document.activeElement);
      one.state.textContent = word;
      one.state.className = look(info.statename);
      one.actions.querySelectorAll("a.button[href*='action=']").forEach((old) => old.remove());
      one.actions.prepend(...offered(info.statename).map(([action, text]) => button(fullName(info), action, text)));
      if (held) $("a", one.actions).focus();
    }
    return true;
  };
  const counts = () => {
    const list = $(".counts");
    if (!list) return;
    const found = new Map();
    for (const { state } of rows.values()) {
      const name = state.textContent.toUpperCase();
      found.set(name, (found.get(name) || 0) + 1);
    }
    const shown = ["RUNNING", "STARTING", "BACKOFF", "STOPPING", "STOPPED", "EXITED", "FATAL", "UNKNOWN"];
    const items = shown.filter((s) => found.has(s)).map((s) => [look(s), `${found.get(s)} ${s.toLowerCase()}`]);
    // what has not changed is not said again
    if (items.map(([, text]) => text).join() === [...list.children].map((li) => li.textContent).join()) return;
    list.replaceChildren(...items.map(([looks, text]) => make("li", {}, make("span", { class: looks }, text))));
  };
  // Names that something happened to; asked for together, so that a burst is one question.
  let touched = new Set();
  let timer = null;
  const touch = (name) => {
    touched.add(name === undefined ? "*" : name);
    timer ??= setTimeout(refresh, 100);
  };
  const refresh = async () => {
    const names = [...touched];
    touched = new Set();
    const some = names.length <= 40 && !names.includes("*") ? names : rows.size === 1 ? [...rows.keys()] : null;
    const query = some ? "?" + some.map((n) => `process=${encodeURIComponent(n)}`).join("&") : "";
    try {
      const infos = await ask(`status.json${query}`);
      const known = infos.map(show).every(Boolean);
      if (!some && rows.size > 1 && (!known || infos.length !== rows.size)) location.reload();
      counts();
      filter();
    } catch {
      // the stream of events tells of a supervisord that is gone
    }
    timer = touched.size ? setTimeout(refresh, 100) : null;
  };
  const noted = (event) => {
    const data = JSON.parse(event.data);
    const { processname, groupname } = data.payload || {};
    if (!processname) return touch();
    const name = fullName({ group: groupname, name: processname });
    touch(name);
    const list = $("#events");
    if (list && rows.has(name)) {
      const when = new Date(data.time * 1000).toLocaleTimeString();
      list.prepend(make("li", {}, `${when} ${data.payload.from_state || ""} → ${data.type.replace("PROCESS_STATE_", "")}`));
      while (list.children.length > 50) list.lastChild.remove();
    }
  };
  const follow = () => {
    const stream = new EventSource("events?types=PROCESS_STATE,PROCESS_GROUP");
    STATES.forEach((state) => stream.addEventListener(`PROCESS_STATE_${state}`, noted));
    for (const name of ["PROCESS_GROUP_ADDED", "PROCESS_GROUP_REMOVED", "dropped"]) {
      stream.addEventListener(name, () => touch());
    }
    let lost = false;
    stream.onopen = () => {
      if (lost) say("");
      lost = false;
      touch();
    };
    stream.onerror = () => {
      if (!lost) say("The connection to supervisord is lost; what is shown may be out of date.");
      lost = true;
      if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
    };
    addEventListener("pagehide", () => stream.close());
  };

  // ------------------------------------------------------------ filter

  const wanted = $("#filter");
  const wantedState = $("#state");
  const filter = () => {
    if (!wanted || rows.size === 0) return;
    const text = wanted.value.toLowerCase();
    let left = 0;
    for (const [name, { row, state }] of rows) {
      const fits = name.toLowerCase().includes(text) && (!wantedState.value || state.textContent === wantedState.value);
      row.hidden = !fits;
      left += fits ? 1 : 0;
    }
    $("#left").textContent = left === rows.size ? "" : `${left} of ${rows.size} shown`;
  };

  // ------------------------------------------------------------ CPU and memory

  const bytes = (n) => (n < 100 * 1048576 ? `${(n / 1048576).toFixed(1)} MB` : n < 10240 * 1048576 ? `${Math.round(n / 1048576)} MB` : `${(n / 1073741824).toFixed(1)} GB`);
  const percent = (n) => (n === null ? "" : `${n.toFixed(n < 10 ? 1 : 0)} %`);
  const chart = (wide, high) => make("svg", { viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", class: "chart", "aria-hidden": "true" },
    make("polyline", { points: "", "vector-effect": "non-scaling-stroke" }));
  const draw = (svg, values, most) => {
    const [, , wide, high] = svg.getAttribute("viewBox").split(" ").map(Number);
    const room = wide > SMALL ? KEPT : SMALL;
    const points = values.map((v, i) => `${(((room - values.length + i) * wide) / (room - 1)).toFixed(1)},${(high - 1 - ((high - 2) * v) / most).toFixed(1)}`);
    svg.firstChild.setAttribute("points", points.join(" "));
  };
  const seen = new Set();
  const eye = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const one = shownAt.get(target);
      if (isIntersecting) seen.add(one), paint(one);
      else seen.delete(one);
    }
  });
  const MEASURES = [["cpu", "CPU", percent, 10], ["rss", "Memory", bytes, 1]];
  const paint = (one) => {
    if (!one.cpuCell) furnish(one);
    for (const [what, , text, least] of MEASURES) {
      const cell = one[`${what}Cell`];
      const values = one[what].slice(cell.most ? 0 : -SMALL).map((v) => v ?? 0);
      const last = one[what].at(-1);
      const idle = last === undefined || last === null || (what === "rss" && last === 0);
      const most = Math.max(...values, 0);
      cell.value.textContent = idle ? "" : text(last);
      // a line of zeros says nothing in a row
      cell.chart.toggleAttribute("hidden", !cell.most && (idle || values.length < 2));
      if (cell.most) cell.most.textContent = values.length ? `peak ${text(most)}` : "";
      draw(cell.chart, values, Math.max(least, most));
    }
  };
  // What a row holds beyond what the server sent; made when it is first seen, which with a thousand
  // rows most never are.
  const furnish = (one) => {
    const big = $("#usage");
    for (const [what, title] of MEASURES) {
      const value = make("span", { class: "value" });
      const drawing = big ? chart(300, 60) : chart(SMALL, 18);
      const cell = { value, chart: drawing, most: null };
      one[`${what}Cell`] = cell;
      if (big) {
        cell.most = make("span", { class: "hint" });
        big.append(make("figure", {}, make("figcaption", {}, `${title} `, value, cell.most), drawing));
      } else {
        one.actions.before(make("td", { class: "usage", "data-title": title }, value, drawing));
      }
    }
    if (big) return;
    one.actions.append(make("a", { href: `process.html?processname=${encodeURIComponent(one.row.dataset.process)}` }, "Details"));
  };
  const cells = () => {
    for (const one of rows.values()) {
      shownAt.set(one.row, one);
      eye.observe(one.row);
    }
    if ($("#usage")) {
      $("section:has(#usage)").hidden = false;
      return;
    }
    const head = $("thead tr");
    head.closest("table").classList.add("live");
    for (const [, title] of MEASURES) head.lastElementChild.before(make("th", { scope: "col" }, title));
  };
  let last = 0;
  const sample = async () => {
    let wait = 2000;
    if (!document.hidden) {
      try {
        const usage = await ask(`usage.json?since=${last}`);
        wait = usage.period * 1000;
        usage.samples.forEach(({ time, cpu, rss }) => {
          last = time;
          usage.processes.forEach((process, i) => {
            const one = rows.get(fullName(process));
            if (!one) return;
            one.cpu.push(cpu[i]);
            one.rss.push(rss[i]);
            if (one.cpu.length > KEPT) one.cpu.shift(), one.rss.shift();
          });
        });
        seen.forEach(paint);
        for (const one of rows.values()) if (one.up && !one.row.hidden) one.description.textContent = uptime(one.up);
      } catch {
        wait = 10000;
      }
    }
    setTimeout(sample, wait);
  };

  // ------------------------------------------------------------ the log that grows

  const MOST = 1 << 20;
  const log = $("pre[data-log]");
  const grow = () => {
    // colours and movements of the cursor mean nothing here
    const CONTROLS = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])/g;
    let text = log.textContent;
    let held = "";
    let paused = false;
    const pause = make("button", { class: "button", type: "button", "aria-pressed": "false" }, "Pause");
    const search = make("input", { type: "search", placeholder: "Lines with…", "aria-label": "Show only lines that hold this" });
    const note = make("span", { role: "status", class: "hint" });
    log.before(make("nav", { "aria-label": "Following" }, pause, search, note));
    let due = null;
    const render = () => {
      due = null;
      const word = search.value.toLowerCase();
      const plain = text.replace(CONTROLS, "");
      const lines = word ? plain.split("\n").filter((line) => line.toLowerCase().includes(word)) : null;
      const below = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
      log.textContent = lines ? lines.join("\n") : plain;
      note.textContent = lines ? `${lines.length} lines` : "";
      if (below && !paused) scrollTo(0, document.documentElement.scrollHeight);
    };
    const add = (piece) => {
      text += piece;
      if (text.length > 2 * MOST) text = text.slice(-MOST);
      // a program that writes a lot is not shown piece by piece
      due ??= setTimeout(render, 50);
    };
    search.addEventListener("input", render);
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Go on" : "Pause";
      if (!paused) add(held), (held = "");
    });
    // Where in what is shown the stream begins: with its last 1024 bytes, of which more or less may
    // have come by now.
    const overlap = (shown, piece) => {
      const begun = piece.replace(/^\uFFFD+/, "");
      for (let at = Math.max(0, shown.length - 1024); at < shown.length; at += 1) {
        const rest = shown.slice(at);
        if (begun.startsWith(rest) || rest.startsWith(begun)) return at;
      }
      return shown.length;
    };
    const read = async () => {
      try {
        const answer = await fetch(log.dataset.log, { credentials: "same-origin" });
        if (!answer.ok) return void (note.textContent = "This log cannot be followed.");
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let first = true;
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          if (first) {
            text = text.slice(0, overlap(text, value));
            first = false;
          }
          if (paused) held = (held + value).slice(-MOST);
          else add(value);
        }
      } catch {
        // tried again
      }
      setTimeout(read, 5000);
    };
    render();
    scrollTo(0, document.documentElement.scrollHeight);
    read();
  };

  // ------------------------------------------------------------ begin

  if (log) grow();
  const main = $("main");
  if (main && rows.size > 0) {
    main.prepend(live);
    cells();
    for (const one of rows.values()) one.up = uptimeOf(one.description.textContent);
    if (wanted) {
      wanted.form.addEventListener("submit", (event) => event.preventDefault());
      wanted.addEventListener("input", filter);
      wantedState.addEventListener("input", filter);
      const send = $("button", wanted.form);
      if (send) send.hidden = true;
      filter();
    }
    follow();
    sample();
  }
})();
