"use strict";
// The report's table of videos, its panels and its timelines. Text from videos reaches the page as text nodes and
// attribute values only.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const FIELDS = ["id", "title", "uploader", "niche", "confidence", "cluster", "overall", "duration", "shots", "cuts",
    "text", "speech", "status", "picture", "shape", "views", "fresh"];
  const PAGE = 100;
  const NO_NICHE = "No niche";
  const clusterNames = new Map(Object.entries(read("clusters")));
  const nameOf = (cluster) => (cluster === null ? null : clusterNames.get(cluster) ?? cluster);
  const videos = read("rows").map((row, index) => {
    const video = { index };
    FIELDS.forEach((field, place) => { video[field] = row[place]; });
    video.clusterName = nameOf(video.cluster);
    return video;
  });
  let allDetails = null; // parsed when first asked for: most of the page's bytes
  const details = (index) => (allDetails ??= read("details"))[index];
  let features = null;
  const featureData = () => (features ??= read("features"));

  const address = (video) => `#video=${encodeURIComponent(video.id)}`;

  // ---- elements ----
  const SVG = "http://www.w3.org/2000/svg";
  const fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  // ---- words ----
  const pad = (number) => String(number).padStart(2, "0");
  const clock = (seconds) => {
    if (seconds === null || seconds === undefined) return "–";
    const whole = Math.round(seconds);
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
  };
  const exact = (seconds) => (seconds === null ? "–" : `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`);
  const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`);
  const short = (number) => (number === null ? "–" : number.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 }));
  const plain = (number) => (number === null || number === undefined ? "–" : number.toLocaleString("en"));
  const many = (number, noun) => `${plain(number)} ${noun}${number === 1 ? "" : "s"}`;

  // ---- timeline: shots as blocks, on-screen texts as bars, speech as segments ----
  const SHOT_HEIGHT = 14, LANE_HEIGHT = 17, SPEECH_HEIGHT = 7, GAP = 4;
  const MARKS = { dissolve: "M-5 0 5 14V0L-5 14Z", fade: "M-5 7 0 0 5 7 0 14Z", cut: "M-.5 0H.5V14H-.5Z" };
  const timeline = (video, detail, mostLanes) => {
    const { shots = [], texts = [], speech = [] } = detail;
    const length = video.duration || Math.max(0, ...[shots, texts, speech].flat().map((part) => part[1] || 0)) || 1;
    const at = (seconds) => `${Math.min(100, Math.max(0, (100 * seconds) / length)).toFixed(2)}%`;
    const wide = (start, end) => `${Math.max(0.15, (100 * (Math.min(end, length) - start)) / length).toFixed(2)}%`;
    const drawn = [];
    shots.forEach(([start, end, transition], place) => {
      const after = transition ? `, after a ${transition}` : "";
      drawn.push(s("rect", { class: place % 2 ? "shot other" : "shot", x: at(start), width: wide(start, end), y: 0, height: SHOT_HEIGHT },
        s("title", {}, `Shot ${place + 1}: ${exact(start)} to ${exact(end)}${after}`)));
    });
    for (const [start, , transition] of shots) {
      if (MARKS[transition]) drawn.push(s("svg", { x: at(start), y: 0, overflow: "visible" }, s("path", { class: transition, d: MARKS[transition] })));
    }
    const laneEnds = [];
    let hiddenTexts = 0;
    for (const [start, end, words, zone] of texts) {
      let lane = laneEnds.findIndex((free) => free <= start + 0.01);
      if (lane < 0) lane = laneEnds.length;
      if (lane >= mostLanes) { hiddenTexts += 1; continue; }
      laneEnds[lane] = end;
      const y = SHOT_HEIGHT + GAP + lane * LANE_HEIGHT;
      drawn.push(s("svg", { x: at(start), y, width: wide(start, end), height: LANE_HEIGHT - 2 },
        s("title", {}, `${exact(start)} to ${exact(end)}, ${zone || "somewhere"}: ${words}`),
        s("rect", { class: "text", width: "100%", height: "100%", rx: 2 }),
        s("text", { class: "words", x: 4, y: 11.5 }, words.slice(0, 120))));
    }
    let y = SHOT_HEIGHT + GAP + laneEnds.length * LANE_HEIGHT;
    if (speech.length) {
      drawn.push(s("rect", { class: "quiet-line", x: 0, width: "100%", y, height: SPEECH_HEIGHT, rx: 2 }));
      for (const [start, end, words] of speech) {
        drawn.push(s("rect", { class: "speech", x: at(start), width: wide(start, end), y, height: SPEECH_HEIGHT, rx: 2 },
          s("title", {}, `${exact(start)} to ${exact(end)}: ${words}`)));
      }
      y += SPEECH_HEIGHT + GAP;
    }
    drawn.push(s("text", { class: "time", x: 0, y: y + 10 }, "0:00"),
      s("text", { class: "time", x: "50%", y: y + 10, "text-anchor": "middle" }, hiddenTexts ? `${many(hiddenTexts, "more text")} at the same time` : clock(length / 2)),
      s("text", { class: "time", x: "100%", y: y + 10, "text-anchor": "end" }, clock(length)));
    const counts = ["cut", "dissolve", "fade"].map((kind) => [shots.filter((shot) => shot[2] === kind).length, kind]);
    const changes = counts.filter(([count]) => count).map(([count, kind]) => many(count, kind)).join(", ");
    const quoted = texts.slice(0, 12).map((text) => `“${text[2].slice(0, 80)}”`).join(", ");
    const label = `Timeline of ${video.title.slice(0, 120)}, ${clock(length)}: ${many(shots.length, "shot")}${changes ? ` (${changes})` : ""}; ` +
      `${many(texts.length, "on-screen text")}${quoted ? `: ${quoted}` : ""}; ${many(speech.length, "spoken segment")}.`;
    return s("svg", { role: "img", "aria-label": label, height: y + 13 }, ...drawn);
  };
  const waiting = [...document.querySelectorAll(".timeline")];
  const drawTimelines = () => { // a few at a time, so that the page answers meanwhile
    for (const place of waiting.splice(0, 24)) {
      const index = Number(place.dataset.video);
      place.append(timeline(videos[index], details(index), 4));
    }
    if (waiting.length) setTimeout(drawTimelines);
  };

  // ---- panel ----
  const panel = byId("panel");
  const places = (rows, cells) => h("div", { class: "scroll", tabindex: 0 }, h("table", {}, h("tbody", {}, ...rows.map(cells))));
  const part = (title, count, body, leftOut) => h("div", {}, h("h3", {}, title, " ", h("span", { class: "quiet" }, count)), body,
    leftOut ? h("p", { class: "quiet" }, `and ${plain(leftOut)} more in the tables`) : null);
  const empty = (words) => h("p", { class: "quiet" }, words);
  const spreadLine = (spread, value) => {
    const line = (kind, from, to, y) => s("line", { class: kind, x1: from, x2: to, y1: y, y2: y });
    return s("svg", { class: "spread", viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" },
      spread ? line("all-range", spread[0], spread[2], 7) : null,
      spread ? s("line", { class: "all-median", x1: spread[1], x2: spread[1], y1: 3, y2: 11 }) : null,
      value === null ? null : line("value", value, value, 7));
  };
  const featureTables = (video, detail) => {
    const { names, niches } = featureData();
    const spreads = niches[video.niche ?? ""] || [];
    const groups = new Map();
    names.forEach(([label, group], place) => {
      const [said, where] = detail.features[place];
      const row = h("tr", {}, h("th", { scope: "row" }, label), h("td", { class: "draw" }, spreadLine(spreads[place], where)),
        h("td", { class: "figure" }, said), h("td", { class: "figure quiet" }, spreads[place] ? spreads[place][3] : "–"));
      groups.set(group, [...(groups.get(group) || []), row]);
    });
    return h("div", { class: "panel-features" }, ...[...groups].map(([group, rows]) => h("table", {}, h("caption", {}, group),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Feature"), h("th", { scope: "col", class: "draw" }, h("span", { class: "hidden" }, "Place")),
        h("th", { scope: "col", class: "figure" }, "This"), h("th", { scope: "col", class: "figure" }, "Niche"))),
      h("tbody", {}, ...rows))));
  };
  const button = (label, name, action, disabled = false) => {
    const made = h("button", { type: "button", "aria-label": name, title: name }, label);
    made.disabled = disabled;
    made.addEventListener("click", action);
    return made;
  };
  const clusterLink = (cluster) => (cluster === null ? null : h("a", { class: "plain", href: `#cluster=${encodeURIComponent(cluster)}`, dir: "auto" }, nameOf(cluster)));
  const panelBody = (video, detail) => {
    const { shots = [], texts = [], speech = [], leftOut = {} } = detail;
    const swatches = (detail.colours || []).map((colour) => {
      const swatch = h("i", { title: colour });
      swatch.style.background = colour;
      return swatch;
    });
    const hook = [["Seen as text", detail.hookText], ["Heard", detail.hookSpeech], ["Asks for, at the end", detail.callToAction]].filter((pair) => pair[1]);
    const where = [video.niche ?? NO_NICHE, video.niche && video.confidence !== null ? `${percent(video.confidence)} sure` : null,
      video.uploader, clock(video.duration), video.status].filter(Boolean);
    return h("div", { class: "panel-body" },
      h("p", { class: "quiet" }, ...where.flatMap((words, place) => [place ? " · " : "", h("bdi", {}, words)])),
      h("p", {}, clusterLink(video.cluster), video.cluster && detail.reason ? " · " : null, h("bdi", {}, detail.reason)),
      video.overall && byId("everywhere") ? h("p", { class: "quiet" }, "Among all niches: ", clusterLink(video.overall)) : null,
      detail.pictures ? h("div", { class: `strip ${video.shape}`, tabindex: 0, role: "group", "aria-label": "Pictures" }, ...detail.pictures.map(([address, time]) => h("figure", {},
        h("img", { src: address, alt: `Picture at ${time}`, loading: "lazy" }), h("figcaption", {}, time)))) : null,
      h("div", { class: "timeline" }, timeline(video, detail, 10)),
      detail.coverage < 0.995 ? h("p", { class: "quiet" }, `${percent(detail.coverage)} of the video was looked at for text.`) : null,
      hook.length ? h("h3", {}, "The hook and the call to action") : null,
      hook.length ? h("dl", { class: "hook" }, ...hook.flatMap(([name, words]) => [h("dt", {}, name), h("dd", { dir: "auto" }, words)])) : null,
      h("div", { class: "columns" },
        part("On-screen texts", plain(texts.length + (leftOut.texts || 0)), texts.length ? places(texts, ([start, end, words, zone]) => h("tr", {}, h("td", {}, `${exact(start)}–${exact(end)}`), h("td", { dir: "auto" }, words), h("td", { class: "last" }, zone))) : empty("None was read."), leftOut.texts),
        part("Transcript", many(speech.length + (leftOut.speech || 0), "segment"), speech.length ? places(speech, ([start, end, words]) => h("tr", {}, h("td", {}, `${exact(start)}–${exact(end)}`), h("td", { dir: "auto" }, words))) : empty("No speech was heard."), leftOut.speech),
        part("Shots", plain(shots.length + (leftOut.shots || 0)), shots.length ? places(shots, ([start, end, transition]) => h("tr", {}, h("td", {}, `${exact(start)}–${exact(end)}`), h("td", {}, `${(end - start).toFixed(1)} s`), h("td", { class: "last" }, transition || ""))) : empty("None is known."), leftOut.shots)),
      detail.features ? h("h3", {}, "Against its niche ", h("span", { class: "quiet" }, "dot: this video; line: 10 % to 90 % of the niche and its median")) : null,
      detail.features ? featureTables(video, detail) : null,
      swatches.length ? h("h3", {}, "Dominant colours") : null,
      swatches.length ? h("div", { class: "swatches", role: "img", "aria-label": detail.colours.join(", ") }, ...swatches) : null,
      detail.description ? h("h3", {}, "Description") : null,
      detail.description ? h("p", { class: "description", dir: "auto", tabindex: 0 }, detail.description) : null,
      h("h3", {}, "About the file"),
      h("dl", { class: "about" }, ...(detail.about || []).flatMap(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]),
        ...(detail.tags ? [h("dt", {}, "Tags"), h("dd", { dir: "auto" }, detail.tags.join(", "))] : []),
        ...(detail.link ? [h("dt", {}, "Page"), h("dd", {}, h("a", { href: detail.link, target: "_blank", rel: "noopener noreferrer" }, detail.link))] : [])));
  };
  const showPanel = (video) => {
    const place = found.indexOf(video);
    const step = (by) => () => { location.replace(address(found[place + by])); };
    const top = h("div", { class: "panel-top" }, h("h2", { id: "panel-title", dir: "auto" }, video.title),
      button("‹", "Previous video", step(-1), place <= 0), button("›", "Next video", step(1), place < 0 || place === found.length - 1),
      button("✕", "Close", () => panel.close()));
    panel.replaceChildren(top, panelBody(video, details(video.index)));
    if (!panel.open) panel.showModal();
    panel.scrollTop = 0;
  };
  panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });
  panel.addEventListener("close", () => { if (location.hash.startsWith("#video=")) history.replaceState(null, "", "#"); });

  // ---- table of videos ----
  const COLUMNS = [
    { key: "title", name: "Title", kind: "title" },
    { key: "niche", name: "Niche", kind: "minor" },
    { key: "clusterName", name: "Cluster", kind: "minor cluster-name" },
    { key: "duration", name: "Length", kind: "figure length", say: clock },
    { key: "shots", name: "Shots", kind: "figure minor", say: plain },
    { key: "cuts", name: "Cuts/min", kind: "figure minor", say: plain },
    { key: "text", name: "Text", kind: "figure minor", say: percent },
    { key: "speech", name: "Speech", kind: "figure minor", say: percent },
    ...(videos.some((video) => video.views !== null) ? [{ key: "views", name: "Views", kind: "figure minor", say: short }] : []),
    { key: "status", name: "Status", kind: "minor" },
  ];
  const state = { words: "", niche: "*", status: "*", cluster: null, fresh: false, sort: null, down: false, shown: PAGE };
  let found = videos;
  let haystacks = null;
  const haystack = (video) => {
    const { texts = [], speech = [], tags = [] } = details(video.index);
    return [video.title, video.uploader, video.id, video.niche, video.clusterName, ...tags, ...texts.map((text) => text[2]), ...speech.map((part) => part[2])]
      .join("\n").toLowerCase();
  };
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const compare = (left, right) => {
    const [a, b] = [left[state.sort], right[state.sort]];
    if (a === null || b === null) return (a === null) - (b === null) || left.index - right.index;
    const by = typeof a === "number" ? a - b : order.compare(a, b);
    return (state.down ? -by : by) || left.index - right.index;
  };
  const select = () => {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) haystacks ??= videos.map(haystack);
    found = videos.filter((video) => (state.niche === "*" || (video.niche ?? "") === state.niche) && (state.status === "*" || video.status === state.status) &&
      (state.cluster === null || video.cluster === state.cluster || video.overall === state.cluster) && (!state.fresh || video.fresh) && words.every((word) => haystacks[video.index].includes(word)));
    if (state.sort) found.sort(compare);
    state.shown = PAGE;
    show();
  };
  const cell = (video, { key, kind, say }) => {
    if (key === "title") {
      const sub = [video.niche ?? NO_NICHE, clock(video.duration), video.cuts === null || video.cuts === undefined ? null : `${plain(video.cuts)} cuts/min`, video.status === "complete" ? null : video.status];
      return h("th", { scope: "row", class: kind }, h("a", { href: address(video), dir: "auto" }, video.title),
        video.uploader ? h("span", { class: "quiet", dir: "auto" }, video.uploader) : null,
        h("span", { class: "quiet phone" }, sub.filter(Boolean).join(" · ")));
    }
    if (key === "niche") return h("td", { class: kind }, video.niche ?? NO_NICHE, " ", video.confidence === null ? null : h("span", { class: "quiet" }, percent(video.confidence)));
    if (key === "clusterName") return h("td", { class: kind }, h("span", { class: "clamp", title: video.clusterName }, video.clusterName ?? "–"));
    if (key === "status") return h("td", { class: kind }, h("span", { class: `badge ${video.status}` }, video.status ?? "–"));
    return h("td", { class: kind }, say(video[key]));
  };
  const row = (video) => {
    const picture = video.picture ? h("img", { src: video.picture, alt: "", loading: "lazy", decoding: "async" }) : h("span", { class: "blank" });
    const made = h("tr", {}, h("td", { class: "picture" }, picture), ...COLUMNS.map((column) => cell(video, column)));
    made.addEventListener("click", (event) => { if (!event.target.closest("a")) location.hash = address(video); });
    return made;
  };
  const show = () => {
    byId("body").replaceChildren(...found.slice(0, state.shown).map(row));
    byId("found").textContent = found.length === videos.length ? many(found.length, "video") : `${plain(found.length)} of ${many(videos.length, "video")}`;
    byId("more").hidden = found.length <= state.shown;
    const chosen = byId("cluster");
    chosen.hidden = state.cluster === null;
    if (state.cluster !== null) chosen.textContent = `Cluster: ${nameOf(state.cluster)} ✕`;
    const fresh = byId("fresh");
    fresh.hidden = !state.fresh;
    for (const head of byId("columns").querySelectorAll("[data-key]")) {
      const mine = head.dataset.key === state.sort;
      head.setAttribute("aria-sort", mine ? (state.down ? "descending" : "ascending") : "none");
      head.querySelector("button").textContent = COLUMNS.find((column) => column.key === head.dataset.key).name + (mine ? (state.down ? " ↓" : " ↑") : "");
    }
    byId("sort").value = state.sort ? `${state.sort} ${state.down ? "down" : "up"}` : "";
  };
  const sortBy = (key, down) => { Object.assign(state, { sort: key, down }); select(); };
  const option = (value, words) => h("option", { value }, words);
  const distinct = (key) => [...new Set(videos.map((video) => video[key] ?? ""))].sort(order.compare);
  const buildTable = () => {
    byId("columns").append(h("td", {}), ...COLUMNS.map(({ key, name, kind }) => {
      const press = h("button", { type: "button" }, name);
      press.addEventListener("click", () => sortBy(key, state.sort === key ? !state.down : kind.startsWith("figure")));
      return h("th", { scope: "col", class: kind === "title" ? "" : kind, "data-key": key }, press);
    }));
    byId("niche").append(...distinct("niche").map((name) => option(name, name || NO_NICHE)));
    byId("status").append(...distinct("status").map((name) => option(name, name || "unknown")));
    byId("sort").append(option("", "as found"), ...COLUMNS.flatMap(({ key, name, kind }) => (kind.startsWith("figure")
      ? [option(`${key} down`, `${name}, most first`), option(`${key} up`, `${name}, least first`)] : [option(`${key} up`, name), option(`${key} down`, `${name}, backwards`)])));
    let typing = 0;
    byId("search").addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => { state.words = event.target.value; select(); }, 120);
    });
    byId("niche").addEventListener("change", (event) => { state.niche = event.target.value; select(); });
    byId("status").addEventListener("change", (event) => { state.status = event.target.value; select(); });
    byId("sort").addEventListener("change", (event) => { const [key, way] = event.target.value.split(" "); sortBy(key || null, way === "down"); });
    byId("cluster").addEventListener("click", () => { state.cluster = null; select(); });
    byId("fresh").addEventListener("click", () => { state.fresh = false; select(); });
    byId("more").addEventListener("click", () => { state.shown += 2 * PAGE; show(); });
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    show();
  };

  // ---- addresses: #video=ID opens a panel, #cluster=ID lists its videos, #last-run those that it did ----
  const follow = () => {
    const [name, value = ""] = location.hash.slice(1).split("=");
    const id = decodeURIComponent(value);
    const video = name === "video" ? videos.find((one) => one.id === id) : null;
    if (video) { showPanel(video); return; }
    if (panel.open) panel.close();
    if (name !== "cluster" && name !== "last-run") return;
    if (name === "cluster") state.cluster = id;
    else state.fresh = true;
    select();
    byId("videos").scrollIntoView();
    byId("search").focus({ preventScroll: true });
  };
  if (videos.length) buildTable();
  addEventListener("hashchange", follow);
  follow();
  setTimeout(drawTimelines);
})();
