// What is seen of the story: fields, ruler, track, plan, the picture that is selected, and the bin of pictures.
const root = element.querySelector(".sd-timeline");
const TEXTS = ["title", "description", "negative"];
let planTimer = 0, planCount = 0;

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
const field = (label, node) => make("label", { class: "sd-field" }, make("span", {}, label), node);
const button = (words, onclick, name = "") => make("button", { type: "button", class: `sd-button ${name}`, onclick }, words);
const status = make("p", { class: "sd-status", role: "status", "aria-live": "polite" });
const say = (text) => (status.textContent = text);
const inputs = {
  title: make("input", { type: "text", maxlength: 200, "aria-label": "Title" }),
  description: make("textarea", { rows: 3, maxlength: 2000,
    placeholder: "Who and what is seen, and where? Such as: a red kite over a green hill. It sinks towards the grass." }),
  negative: make("input", { type: "text", maxlength: 2000 }),
};
const lengthInput = make("input", { type: "number", min: 0.1, step: "any" });
const ruler = make("div", { class: "sd-ruler", "aria-hidden": true });
const shotBand = make("div", { class: "sd-shots", "aria-hidden": true });
const track = make("div", { class: "sd-track", role: "group", tabindex: -1,
  "aria-label": "Timeline. Arrow keys move a keyframe by a frame, with Shift by a second; D duplicates, Delete removes." });
const playhead = make("div", { class: "sd-playhead", "aria-hidden": true, hidden: true });
const cursorLine = make("div", { class: "sd-cursor", "aria-hidden": true });
const band = make("div", { class: "sd-plan" });
const planText = make("p", { class: "sd-plan-text" });
const inspector = make("div", { class: "sd-inspector" });
const crops = make("div", { class: "sd-crops" });
const shotList = make("div", { class: "sd-shot-list" });
const bin = make("div", { class: "sd-bin", role: "list", "aria-label": "Pictures and clips; press one to add it" });
const pacing = make("select", { "aria-label": "Pacing preset", onchange: retime },
  make("option", { value: "" }, "Choose…"),
  ...["documentary", "suspense", "action"].map((name) => make("option", { value: name }, name)));
const shape = make("select", { "aria-label": "Shape of the film", onchange: setShape });
const undoButton = button("↶ Undo", undo), redoButton = button("↷ Redo", redo);
const cutButton = button("", cutHere, "sd-cut-here");
root.append(
  field("Description", inputs.description),
  make("div", { class: "sd-row sd-tools" },
    undoButton, redoButton, button("New", startNew), button("Clear", clear), cutButton, button("Copy link", copyLink)),
  make("div", { class: "sd-row" },
    field("Seconds", lengthInput), field("Shape", shape), field("Pacing", pacing)),
  make("div", { class: "sd-lines" }, ruler, shotBand, track, make("div", { class: "sd-over" }, cursorLine, playhead)),
  band, planText, inspector, crops, status, bin, make("details", { class: "sd-more" },
    make("summary", {}, "Shots (what happens, camera), title, what not to show"), shotList,
    field("Title", inputs.title), field("What not to show", inputs.negative)));

for (const name of TEXTS) {
  inputs[name].addEventListener("input", () => { story[name] = inputs[name].value; remember(name); publish(); drawHistory(); });
}
lengthInput.addEventListener("change", () => {
  const frames = Math.round(Number(lengthInput.value) * story.fps);
  const needed = Math.max(1, ...items().map((i) => frameOf(i) + lengthOf(i)), ...cuts().map((i) => frameOf(i) + 1));
  if (frames < needed) say(`The last picture needs ${seconds(needed)}. Move it first.`);
  else if (frames > longest()) say(`A film here has at most ${seconds(longest())}.`);
  story.num_frames = Math.max(needed, Math.min(longest(), frames || needed));
  spreading = false;
  changed();
});
function setShape() {
  const chosen = shapes[Number(shape.value)];
  if (!chosen) return;
  if (chosen === shapes[0]) delete story.size;
  else story.size = chosen.size;
  changed();
}
root.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.target.matches("input, textarea")) return;
  const letter = event.key.toLowerCase();
  if (letter === "z") event.shiftKey ? redo() : undo();
  else if (letter === "y") redo();
  else return;
  event.preventDefault();
});

// -- the track ----------------------------------------------------------------------------------------------------------
const frameAt = (event) => {
  const box = track.getBoundingClientRect();
  return Math.max(0, Math.min(last(), Math.round(((event.clientX - box.left) / box.width) * last())));
};
// The cursor is where a cut would be put. It goes along with the film while the film stands still.
function setCursor(frame, seek = false) {
  cursor = frame;
  if (seek) seekFilm(frame);
  drawCursor();
}
function drawCursor() {
  cursorLine.style.left = `${percent(cursor)}%`;
  const free = cutPlace();
  cutButton.textContent = free === null ? "✂ Cut" : `✂ Cut at ${seconds(free)}`;
  cutButton.disabled = free === null;
}
function select(item) {
  selected = item;
  cursor = frameOf(item);
}
for (const line of [ruler, track]) {
  line.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest(".sd-handle")) return;
    setCursor(frameAt(event), true);
    const follow = (e) => setCursor(frameAt(e), true);
    const end = () => window.removeEventListener("pointermove", follow);
    window.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end, { once: true });
  });
}
track.addEventListener("dragover", (event) => event.preventDefault());
track.addEventListener("drop", (event) => {
  event.preventDefault();
  const name = event.dataTransfer.getData("text/x-media");
  if (name) return add(name, frameAt(event));
  if (event.dataTransfer.files.length) upload_(event.dataTransfer.files, isExample() ? null : frameAt(event));
});
function handle(item) {
  const frame = frameOf(item), shown = media[nameOf(item)] || {};
  const what = item.kind === "cut" ? "Cut" : item.kind === "clip" ? "Clip" : "Keyframe";
  const node = make("button", {
    type: "button", class: `sd-handle sd-${item.kind}${same(item, selected) ? " sd-selected" : ""}`, role: "slider",
    "aria-label": `${what}${shown.label ? ", " + shown.label : ""}`, "aria-valuemin": 0, "aria-valuemax": last(),
    "aria-valuenow": frame, "aria-valuetext": `${seconds(frame)}, frame ${frame}`,
    style: `left:${percent(frame)}%;` + (item.kind === "clip" ? `min-width:${percent(lengthOf(item))}%` : ""),
    onkeydown: (event) => key(event, item), onpointerdown: (event) => drag(event, item, node),
    onfocus: () => { if (!same(item, selected)) { select(item); seekFilm(frameOf(item)); mark(); drawCursor(); inspect(); } },
  });
  if (shown.url) node.append(make("img", { src: shown.url, alt: "", draggable: "false" }));
  node.append(make("span", {}, item.kind === "cut" ? "✂" : seconds(frame)));
  node.item = item;
  return node;
}
const mark = () => track.querySelectorAll(".sd-handle").forEach((n) => n.classList.toggle("sd-selected", same(n.item, selected)));
function key(event, item) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = event.shiftKey ? Math.round(story.fps) : 1;
  const to = { ArrowLeft: frameOf(item) - step, ArrowRight: frameOf(item) + step, Home: 0, End: last() }[event.key];
  if (to !== undefined) {
    move(item, to, event.key === "ArrowLeft" || event.key === "End" ? -1 : 1);
    select(item);
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
  select(item);
  mark();
  const box = track.getBoundingClientRect(), offset = event.clientX - box.left - (percent(frameOf(item)) / 100) * box.width;
  const follow = (e) => {
    const frame = Math.round(((e.clientX - box.left - offset) / box.width) * last());
    if (frame === frameOf(item)) return;
    move(item, frame);
    node.style.left = percent(frameOf(item)) + "%";
    node.lastChild.textContent = item.kind === "cut" ? "✂" : seconds(frameOf(item));
    setCursor(frameOf(item));
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
  if (!selected) return inspector.append(make("p", {}, items().length
    ? "Drag a picture in time, or use the arrow keys. Press a picture below to add it."
    : "Add your own pictures, or press one below."));
  const item = selected, shown = media[nameOf(item)] || {};
  const time = make("input", { type: "number", min: 0, step: "any", value: (frameOf(item) / story.fps).toFixed(3),
    onchange: () => { move(item, Math.round(Number(time.value) * story.fps) || 0); select(item); changed(); } });
  inspector.append(
    make("strong", {}, item.kind === "cut" ? "Cut" : shown.label || "Keyframe"), field("at seconds", time),
    make("span", { class: "sd-frame" }, `frame ${frameOf(item)}`));
  if (item.kind !== "cut") inspector.append(button("Duplicate", () => duplicate(item)));
  inspector.append(button("Delete", () => remove(item)));
}

// -- around the track ---------------------------------------------------------------------------------------------------
// Show each picture of another shape than the film's as a whole, with the part that the film keeps: its middle.
function drawCrops() {
  const [width, height] = sizeOf(), names = [...new Set(items().map(nameOf))].filter((name) => media[name]);
  crops.replaceChildren();
  for (const name of names) {
    const image = make("img", { src: media[name].url, alt: "" });
    const kept = make("i", {}), words = make("figcaption", {});
    const figure = make("figure", {}, make("div", {}, image, kept), words);
    const measure = () => {
      const ratio = (image.naturalWidth * height) / (image.naturalHeight * width); // over 1: wider than the film
      if (Math.abs(ratio - 1) < 0.05) return figure.remove();
      const across = 100 / Math.max(1, ratio), down = 100 * Math.min(1, ratio);
      kept.style.cssText = `width:${across}%;height:${down}%;left:${(100 - across) / 2}%;top:${(100 - down) / 2}%`;
      words.textContent = `${media[name].label}: ${Math.round(Math.min(across, down))} % is seen`;
      crops.hidden = false;
    };
    image.addEventListener("load", measure);
    crops.append(figure);
    if (image.complete && image.naturalWidth) measure();
  }
  crops.hidden = ![...crops.querySelectorAll("figcaption")].some((words) => words.textContent);
  crops.prepend(make("p", {}, "The film has another shape than these pictures. It keeps the bright part; choose another shape above."));
}
function drawShape() {
  const [width, height] = sizeOf(), at = shapes.findIndex((s) => s.size[0] === width && s.size[1] === height);
  shape.replaceChildren(...shapes.map((s, i) => make("option", { value: i }, s.words)),
    ...(at < 0 ? [make("option", { value: -1 }, `${width} × ${height}`)] : []));
  shape.value = at;
  root.style.setProperty("--film", `${width} / ${height}`);
}
function drawShots() {
  const borders = [...(story.shots.length ? story.shots.map((s) => s.start_frame) : [0]), story.num_frames];
  shotBand.replaceChildren(...borders.slice(0, -1).map((start, i) => make("div",
    { style: `left:${percent(start)}%;width:${Math.min(100, percent(borders[i + 1])) - percent(start)}%` }, (story.shots[i] || {}).description || `Shot ${i + 1}`)));
  shotList.replaceChildren(...story.shots.map((shot, i) => make("div", { class: "sd-row" },
    make("strong", {}, `Shot ${i + 1}`),
    ...["description", "camera"].map((name) => field(name, make("input", { type: "text", value: shot[name] || "", maxlength: 2000,
      oninput: (event) => { shot[name] = event.target.value; remember(`${name} ${i}`); publish(); drawHistory(); } }))))));
  if (!story.shots.length) shotList.append(make("p", {}, "One shot. A cut makes two."));
}
function drawRuler() {
  const step = Math.max(1, Math.ceil(last() / story.fps / 8)), marks = [];
  for (let s = 0; s * story.fps <= last(); s += step) marks.push(make("span", { style: `left:${percent(s * story.fps)}%` }, `${s} s`));
  ruler.replaceChildren(...marks);
}
function drawBin() {
  const names = Object.keys(media), own = names.filter(isUpload), bundled = names.filter((name) => !isUpload(name));
  bin.replaceChildren(
    make("div", { role: "listitem" }, button("+ Your pictures", chooseFiles, "sd-media sd-add")),
    ...[...own.reverse(), ...bundled].map((name) => make("div", { role: "listitem" }, make("button", {
      type: "button", class: "sd-media", draggable: "true", title: `Add ${media[name].label}`, "aria-label": `Add ${media[name].label}`,
      onclick: () => add(name, nextGap()), ondragstart: (event) => event.dataTransfer.setData("text/x-media", name),
    }, make("img", { src: media[name].url, alt: "", draggable: "false" })))));
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
  spreading = false;
  say(`The pictures were moved to the pacing "${name}".`);
  changed();
}
function drawHistory() {
  undoButton.disabled = !past.length;
  redoButton.disabled = !future.length;
}
function draw(keepFocus) {
  track.replaceChildren(...[...items(), ...cuts()].map(handle));
  if (keepFocus) [...track.children].find((n) => same(n.item, selected))?.focus();
  for (const name of TEXTS) if (document.activeElement !== inputs[name] || lastEdit !== name) inputs[name].value = story[name] || "";
  lengthInput.value = (story.num_frames / story.fps).toFixed(2);
  lengthInput.max = (longest() / story.fps).toFixed(2);
  drawRuler(); drawShots(); drawShape(); inspect(); drawCrops(); drawCursor(); drawPlayhead(); drawHistory(); askPlan();
}
