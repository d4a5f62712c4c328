// The storyboard's timeline. props.value: {storyboard}; from the server {storyboard, media, place, fresh} too, where
// fresh is another text each time: what the page sent back itself may come again, and is then passed over.
// All times are frames. The server plans the chunks ("plan_of") and moves keyframes by a pacing preset ("retimed").
const root = element.querySelector(".sd-timeline");
const TEXTS = ["title", "description", "negative"];
const seen = new Set();
let story = null, media = {}, selected = null, dropFrame = null, planTimer = 0, planCount = 0;

const make = (tag, options = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
};
const last = () => story.num_frames - 1;
const percent = (frame) => (100 * frame) / Math.max(1, last());
const seconds = (frame) => (frame / story.fps).toFixed(2).replace(/0$/, "") + " s";
const clipFrames = () => Object.fromEntries(Object.entries(media).filter((m) => m[1].frames).map(([k, m]) => [k, m.frames]));
const lengthOf = (item) => (item.kind === "clip" ? (media[item.entry.video] || {}).frames || 1 : 1);
const items = () => [
  ...story.keyframes.map((entry) => ({ kind: "keyframe", entry })),
  ...story.clips.map((entry) => ({ kind: "clip", entry })),
];
const cuts = () => story.shots.slice(1).map((entry) => ({ kind: "cut", entry }));
const frameOf = (item) => (item.kind === "cut" ? item.entry.start_frame : item.entry.frame);
const same = (a, b) => a && b && a.entry === b.entry;

function fits(item, frame) {
  if (frame < 0 || frame + lengthOf(item) > story.num_frames) return false;
  if (item.kind === "cut") {
    return frame > 0 && !cuts().some((other) => !same(other, item) && frameOf(other) === frame);
  }
  return items().every((other) => same(other, item) ||
    frame + lengthOf(item) <= frameOf(other) || frameOf(other) + lengthOf(other) <= frame);
}
function nearest(item, frame) {
  for (let step = 0; step < story.num_frames; step++) {
    for (const candidate of [frame + step, frame - step]) if (fits(item, candidate)) return candidate;
  }
  return null;
}
function setFrame(item, frame) {
  if (item.kind === "cut") {
    item.entry.start_frame = frame;
    story.shots.sort((a, b) => a.start_frame - b.start_frame);
  } else item.entry.frame = frame;
}
function move(item, frame, direction = 0) {
  frame = Math.max(0, Math.min(last(), frame));
  if (direction) while (!fits(item, frame) && frame > 0 && frame < last()) frame += direction;
  const free = fits(item, frame) ? frame : direction ? null : nearest(item, frame);
  if (free !== null) setFrame(item, free);
}
function add(name, frame) {
  const found = media[name];
  if (!found) return;
  const entry = found.kind === "clip" ? { video: name, frame: 0 } : { image: name, frame: 0 };
  const item = { kind: found.kind === "clip" ? "clip" : "keyframe", entry };
  const free = nearest(item, frame);
  if (free === null) return say("There is no room left for it; make the video longer.");
  entry.frame = free;
  (item.kind === "clip" ? story.clips : story.keyframes).push(entry);
  selected = item;
  say(`${found.label} added at ${seconds(free)}`);
  changed();
}
function nextGap() {
  const taken = items().map(frameOf).sort((a, b) => a - b);
  if (!taken.length) return 0;
  return Math.min(last(), selected && selected.kind !== "cut" ? frameOf(selected) + Math.round(story.fps) : taken.at(-1) + Math.round(story.fps));
}
function remove(item) {
  const list = { keyframe: story.keyframes, clip: story.clips, cut: story.shots }[item.kind];
  list.splice(list.indexOf(item.entry), 1);
  selected = null;
  changed();
  track.focus();
}
function duplicate(item) {
  if (item.kind !== "cut") add(item.entry.image || item.entry.video, frameOf(item) + lengthOf(item));
}
function cutHere() {
  if (!story.shots.length) story.shots.push({ start_frame: 0 });
  const entry = { start_frame: 0 }, item = { kind: "cut", entry };
  const free = nearest(item, selected ? frameOf(selected) : Math.round(story.num_frames / 2));
  if (free === null) return;
  entry.start_frame = free;
  story.shots.push(entry);
  story.shots.sort((a, b) => a.start_frame - b.start_frame);
  selected = item;
  changed();
}

// -- the page ---------------------------------------------------------------------------------------------------------
const field = (label, node) => make("label", { class: "sd-field" }, make("span", {}, label), node);
const status = make("p", { class: "sd-status", role: "status", "aria-live": "polite" });
const say = (text) => (status.textContent = text);
const inputs = {
  title: make("input", { type: "text", maxlength: 200, "aria-label": "Title" }),
  description: make("textarea", { rows: 2, maxlength: 2000, placeholder: "Who and what is seen, and where?" }),
  negative: make("input", { type: "text", maxlength: 2000 }),
};
const lengthInput = make("input", { type: "number", min: 0.1, max: 60, step: 0.05 });
const ruler = make("div", { class: "sd-ruler", "aria-hidden": true });
const shotBand = make("div", { class: "sd-shots", "aria-hidden": true });
const track = make("div", { class: "sd-track", role: "group", tabindex: -1,
  "aria-label": "Timeline. Arrow keys move a keyframe by a frame, with Shift by a second; D duplicates, Delete removes." });
const band = make("div", { class: "sd-plan" });
const planText = make("p", { class: "sd-plan-text" });
const inspector = make("div", { class: "sd-inspector" });
const shotList = make("div", { class: "sd-shot-list" });
const bin = make("div", { class: "sd-bin", role: "list", "aria-label": "Pictures and clips; press one to add it" });
const pacing = make("select", { "aria-label": "Pacing preset", onchange: retime },
  make("option", { value: "" }, "Pacing…"),
  ...["documentary", "suspense", "action"].map((name) => make("option", { value: name }, name)));
root.append(
  field("Description", inputs.description),
  make("div", { class: "sd-row" },
    field("Seconds", lengthInput),
    make("div", { class: "sd-field" }, make("span", {}, "Pacing"), pacing),
    make("button", { type: "button", class: "sd-button", onclick: cutHere }, "✂ Cut here"),
    make("button", { type: "button", class: "sd-button", onclick: copyLink }, "Copy link")),
  ruler, shotBand, track, band, planText, inspector, status, bin, make("details", { class: "sd-more" },
    make("summary", {}, "Shots (what happens, camera), title, what not to show"), shotList,
    field("Title", inputs.title), field("What not to show", inputs.negative)));
for (const name of TEXTS) {
  inputs[name].addEventListener("input", () => { story[name] = inputs[name].value; publish(); });
}
lengthInput.addEventListener("change", () => {
  const frames = Math.round(Number(lengthInput.value) * story.fps);
  const needed = Math.max(1, ...items().map((i) => frameOf(i) + lengthOf(i)), ...cuts().map((i) => frameOf(i) + 1));
  if (frames < needed) say(`The last keyframe needs ${needed} frames; move it first.`);
  story.num_frames = Math.max(needed, Math.min(1441, frames || needed));
  changed();
});
track.addEventListener("dragover", (event) => event.preventDefault());
track.addEventListener("drop", (event) => {
  event.preventDefault();
  const box = track.getBoundingClientRect();
  const frame = Math.round(((event.clientX - box.left) / box.width) * last());
  const name = event.dataTransfer.getData("text/x-media");
  if (name) return add(name, frame);
  const input = document.querySelector("#sd-upload input[type=file]");
  if (!input || !event.dataTransfer.files.length) return;
  dropFrame = frame;
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

function handle(item) {
  const frame = frameOf(item), shown = media[item.entry.image || item.entry.video] || {};
  const what = item.kind === "cut" ? "Cut" : item.kind === "clip" ? "Clip" : "Keyframe";
  const node = make("button", {
    type: "button", class: `sd-handle sd-${item.kind}${same(item, selected) ? " sd-selected" : ""}`, role: "slider",
    "aria-label": `${what}${shown.label ? ", " + shown.label : ""}`, "aria-valuemin": 0, "aria-valuemax": last(),
    "aria-valuenow": frame, "aria-valuetext": `${seconds(frame)}, frame ${frame}`,
    style: `left:${percent(frame)}%;` + (item.kind === "clip" ? `min-width:${percent(lengthOf(item))}%` : ""),
    onkeydown: (event) => key(event, item), onpointerdown: (event) => drag(event, item, node),
    onfocus: () => { if (!same(item, selected)) { selected = item; mark(); inspect(); } },
  });
  if (shown.url) node.append(make("img", { src: shown.url, alt: "", draggable: "false" }));
  node.append(make("span", {}, item.kind === "cut" ? "✂" : seconds(frame)));
  node.item = item;
  return node;
}
const mark = () => track.querySelectorAll(".sd-handle").forEach((n) => n.classList.toggle("sd-selected", same(n.item, selected)));
function key(event, item) {
  const step = event.shiftKey ? Math.round(story.fps) : 1;
  const to = { ArrowLeft: frameOf(item) - step, ArrowRight: frameOf(item) + step, Home: 0, End: last() }[event.key];
  if (to !== undefined) {
    move(item, to, event.key === "ArrowLeft" || event.key === "End" ? -1 : 1);
    selected = item;
    changed(true);
  } else if (event.key === "Delete" || event.key === "Backspace") remove(item);
  else if (event.key === "d" || event.key === "D") duplicate(item);
  else return;
  event.preventDefault();
}
function drag(event, item, node) {
  if (event.button) return;
  event.preventDefault();
  node.focus();
  selected = item;
  mark();
  const box = track.getBoundingClientRect(), offset = event.clientX - box.left - (percent(frameOf(item)) / 100) * box.width;
  const follow = (e) => {
    const frame = Math.round(((e.clientX - box.left - offset) / box.width) * last());
    if (frame === frameOf(item)) return;
    move(item, frame);
    node.style.left = percent(frameOf(item)) + "%";
    node.lastChild.textContent = item.kind === "cut" ? "✂" : seconds(frameOf(item));
    askPlan();
  };
  const end = () => {
    window.removeEventListener("pointermove", follow);
    window.removeEventListener("pointerup", end);
    window.removeEventListener("pointercancel", end);
    changed(true);
  };
  window.addEventListener("pointermove", follow);
  window.addEventListener("pointerup", end);
  window.addEventListener("pointercancel", end);
}
function inspect() {
  inspector.replaceChildren();
  if (!selected) return inspector.append(make("p", {}, "Press a picture below to add it, or drop your own on the timeline. Drag it in time, or use the arrow keys."));
  const item = selected, shown = media[item.entry.image || item.entry.video] || {};
  const time = make("input", { type: "number", min: 0, step: 0.01, value: (frameOf(item) / story.fps).toFixed(3),
    onchange: () => { move(item, Math.round(Number(time.value) * story.fps) || 0); changed(); } });
  inspector.append(
    make("strong", {}, item.kind === "cut" ? "Cut" : shown.label || "Keyframe"), field("at seconds", time),
    make("span", { class: "sd-frame" }, `frame ${frameOf(item)}`));
  if (item.kind !== "cut") inspector.append(make("button", { type: "button", class: "sd-button", onclick: () => duplicate(item) }, "Duplicate"));
  inspector.append(make("button", { type: "button", class: "sd-button", onclick: () => remove(item) }, "Delete"));
}
function drawShots() {
  const borders = [...(story.shots.length ? story.shots.map((s) => s.start_frame) : [0]), story.num_frames];
  shotBand.replaceChildren(...borders.slice(0, -1).map((start, i) => make("div",
    { style: `left:${percent(start)}%;width:${Math.min(100, percent(borders[i + 1])) - percent(start)}%` }, (story.shots[i] || {}).description || `Shot ${i + 1}`)));
  shotList.replaceChildren(...story.shots.map((shot, i) => make("div", { class: "sd-row" },
    make("strong", {}, `Shot ${i + 1}`),
    ...["description", "camera"].map((name) => field(name, make("input", { type: "text", value: shot[name] || "", maxlength: 2000,
      oninput: (event) => { shot[name] = event.target.value; publish(); } }))))));
  if (!story.shots.length) shotList.append(make("p", {}, "One shot. “Cut here” makes two."));
}
function drawRuler() {
  const step = Math.max(1, Math.ceil(last() / story.fps / 8)), marks = [];
  for (let s = 0; s * story.fps <= last(); s += step) marks.push(make("span", { style: `left:${percent(s * story.fps)}%` }, `${s} s`));
  ruler.replaceChildren(...marks);
}
function drawBin() {
  bin.replaceChildren(...Object.entries(media).map(([name, m]) => make("div", { role: "listitem" }, make("button", {
    type: "button", class: "sd-media", draggable: "true", title: `Add ${m.label}`, "aria-label": `Add ${m.label}`,
    onclick: () => add(name, nextGap()), ondragstart: (event) => event.dataTransfer.setData("text/x-media", name),
  }, make("img", { src: m.url, alt: "", draggable: "false" })))));
}
function askPlan() {
  clearTimeout(planTimer);
  planTimer = setTimeout(async () => {
    const mine = ++planCount;
    const plan = await server.plan_of({ storyboard: story, clip_frames: clipFrames() }).catch(() => ({ error: "no answer" }));
    if (mine === planCount) drawPlan(plan);
  }, 40);
}
function drawPlan(plan) {
  planText.classList.toggle("sd-error", Boolean(plan.error));
  if (plan.error) return (planText.textContent = plan.error), band.replaceChildren();
  const wide = plan.latents.length <= 24;
  band.replaceChildren(
    ...plan.chunks.map((c, i) => make("div", { class: `sd-chunk sd-chunk-${i % 2}`,
      style: `left:${percent(c.start)}%;width:${Math.max(0, Math.min(100, percent(c.stop)) - percent(c.start))}%` })),
    ...plan.latents.map((l) => make("i", { class: l.anchor ? "sd-anchor" : "sd-latent", style: `left:${percent(l.frame)}%`, title: `tau ${l.tau}` })),
    ...(wide ? plan.latents.filter((l) => l.anchor || plan.latents.length < 16).map((l) => make("small", { style: `left:${percent(l.frame)}%` }, String(l.tau))) : []));
  const anchors = plan.latents.filter((l) => l.anchor).length, n = plan.latents.length;
  planText.textContent = `${plan.chunks.length} chunk${plan.chunks.length > 1 ? "s" : ""}, ${n} latents, of which ${anchors} ` +
    `anchor${anchors === 1 ? "" : "s"}; temporal index τ from ${plan.latents[0].tau} to ${plan.latents[n - 1].tau}`;
}
async function retime() {
  const name = pacing.value;
  pacing.value = "";
  if (!name) return;
  const to = await server.retimed({ storyboard: story, clip_frames: clipFrames(), pacing: name });
  if (to.error) return say(to.error);
  story.keyframes.forEach((entry, i) => (entry.frame = to.keyframes[i]));
  story.clips.forEach((entry, i) => (entry.frame = to.clips[i]));
  story.shots.slice(1).forEach((entry, i) => (entry.start_frame = to.cuts[i]));
  say(`Pacing: ${name}`);
  changed();
}
function copyLink() {
  const own = items().some((i) => (i.entry.image || i.entry.video).startsWith("upload-"));
  const bytes = new TextEncoder().encode(JSON.stringify(story));
  const link = location.href.split("#")[0] + "#story=" + btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
  (navigator.clipboard ? navigator.clipboard.writeText(link) : Promise.reject()).then(
    () => say(own ? "Copied; your own pictures are not in the link." : "The link is copied."), () => say(link));
}
function draw(keepFocus) {
  track.replaceChildren(...[...items(), ...cuts()].map(handle));
  if (keepFocus) [...track.children].find((n) => same(n.item, selected))?.focus();
  for (const name of TEXTS) if (document.activeElement !== inputs[name]) inputs[name].value = story[name] || "";
  lengthInput.value = (story.num_frames / story.fps).toFixed(2);
  drawRuler(); drawShots(); inspect(); askPlan();
}
const publish = () => (props.value = { storyboard: structuredClone(story) });
function changed(keepFocus = false) { publish(); draw(keepFocus); }
function take(value) {
  if (!value || !value.storyboard || !value.fresh || seen.has(value.fresh)) return;
  const { storyboard, media: more, place } = value;
  seen.add(value.fresh);
  media = { ...media, ...(more || {}) };
  story = structuredClone(storyboard);
  for (const name of ["keyframes", "clips", "shots"]) story[name] = story[name] || [];
  selected = null;
  drawBin(); draw();
  (place || []).forEach((name, i) => add(name, dropFrame === null ? nextGap() : dropFrame + i));
  dropFrame = null;
  publish();
}
watch("value", () => take(props.value));
take(props.value);
if (location.hash.startsWith("#story=")) {
  try {
    const bytes = Uint8Array.from(atob(location.hash.slice(7).replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    take({ storyboard: JSON.parse(new TextDecoder().decode(bytes)), fresh: "link" });
  } catch { say("The link holds no storyboard that can be read."); }
}
