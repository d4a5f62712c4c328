// The story on the timeline: what it holds, where its parts may stand, and the way back (undo). All times are frames.
// These files are one script, joined in this order: story, film, view, exchange.
const { limits, shapes } = props.settings;
const media = { ...props.settings.media }; // what is known of each picture and clip, by its name
const past = [], future = []; // stories as text, for undo and redo
let story = null, selected = null, cursor = 0;
let now = "", lastEdit = "", lastEditAt = 0; // the story as text; what was edited last, and when
let exampleText = ""; // the story as it was when an example was loaded
let spreading = false; // whether new pictures are spread over the film, until one is placed by hand

const empty = (kept = {}) => (
  { title: "", description: "", fps: limits.fps, num_frames: 2 * limits.fps + 1, keyframes: [], clips: [], shots: [], ...kept });
const last = () => story.num_frames - 1;
const percent = (frame) => (100 * frame) / Math.max(1, last());
const seconds = (frame) => (frame / story.fps).toFixed(2).replace(/0$/, "") + " s";
const longest = () => limits.frames;
const isUpload = (name) => name.startsWith("upload-");
const clipFrames = () => Object.fromEntries(Object.entries(media).filter((m) => m[1].frames).map(([k, m]) => [k, m.frames]));
const lengthOf = (item) => (item.kind === "clip" ? (media[item.entry.video] || {}).frames || 1 : 1);
const nameOf = (item) => item.entry.image || item.entry.video;
const items = () => [
  ...story.keyframes.map((entry) => ({ kind: "keyframe", entry })),
  ...story.clips.map((entry) => ({ kind: "clip", entry })),
];
const cuts = () => story.shots.slice(1).map((entry) => ({ kind: "cut", entry }));
const frameOf = (item) => (item.kind === "cut" ? item.entry.start_frame : item.entry.frame);
const same = (a, b) => a && b && a.entry === b.entry;
const isExample = () => JSON.stringify(story) === exampleText;
const sizeOf = () => story.size || shapes[0].size;

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
  spreading = false;
  frame = Math.max(0, Math.min(last(), frame));
  if (direction) while (!fits(item, frame) && frame > 0 && frame < last()) frame += direction;
  const free = fits(item, frame) ? frame : direction ? null : nearest(item, frame);
  if (free !== null) setFrame(item, free);
}
function newItem(name) {
  const kind = media[name].kind === "clip" ? "clip" : "keyframe";
  return { kind, entry: kind === "clip" ? { video: name, frame: 0 } : { image: name, frame: 0 } };
}
const listOf = (item) => ({ keyframe: story.keyframes, clip: story.clips, cut: story.shots })[item.kind];
function add(name, frame) {
  if (!media[name]) return;
  const item = newItem(name), free = nearest(item, frame);
  if (free === null) return say("There is no room left for it. Make the film longer.");
  item.entry.frame = free;
  listOf(item).push(item.entry);
  select(item);
  say(`${media[name].label} was added at ${seconds(free)}.`);
  changed();
}
// Spread pictures and clips evenly, the first at the start and the last at the end, with about a second from one to
// the next. The film becomes as long as that takes, and at most as long as it may be.
function spread() {
  const all = items(), held = all.reduce((sum, item) => sum + lengthOf(item) - 1, 0);
  const room = Math.max(0, longest() - 1 - held);
  const gap = all.length < 2 ? 0 : Math.min(all.length === 2 ? 2 * story.fps : story.fps, room / (all.length - 1));
  if (all.length > 1 && gap < 1) return say("These are too many for one film. Delete some, or take shorter clips.");
  let frame = 0;
  for (const item of all) {
    item.entry.frame = Math.round(frame);
    frame += lengthOf(item) - 1 + gap;
  }
  story.num_frames = all.length > 1 ? Math.round(frame - gap) + 1 : Math.max(2 * story.fps + 1, held + 1);
}
// Put new pictures on the timeline: spread them in a film of one's own, or else add each after the others. A film of
// one's own begins by itself where an example stands that nobody has touched.
function placeAll(names, frame = null) {
  const begins = isExample() && frame === null;
  if (begins) setStory(empty()); // one step of undo, together with the pictures
  if (begins || (frame === null && !items().length)) spreading = true;
  if (!spreading || frame !== null) return names.forEach((name, i) => add(name, frame === null ? nextGap() : frame + i));
  for (const name of names) {
    const item = newItem(name);
    listOf(item).push(item.entry);
  }
  say(begins ? "Your own film begins. Undo brings the example back." : "Your pictures are spread over the film.");
  spread();
  changed();
}
function nextGap() {
  const taken = items().map(frameOf).sort((a, b) => a - b);
  if (!taken.length) return 0;
  const after = selected && selected.kind !== "cut" ? frameOf(selected) : taken.at(-1);
  return Math.min(last(), after + Math.round(story.fps));
}
function remove(item) {
  listOf(item).splice(listOf(item).indexOf(item.entry), 1);
  selected = null;
  if (spreading && item.kind !== "cut" && items().length) spread();
  changed();
  track.focus();
}
function duplicate(item) {
  if (item.kind !== "cut") add(nameOf(item), frameOf(item) + lengthOf(item));
}
const cutPlace = () => nearest({ kind: "cut", entry: {} }, cursor);
function cutHere() {
  const free = cutPlace();
  if (free === null) return;
  if (!story.shots.length) story.shots.push({ start_frame: 0 });
  const entry = { start_frame: free };
  story.shots.push(entry);
  story.shots.sort((a, b) => a.start_frame - b.start_frame);
  select({ kind: "cut", entry });
  say(`A cut was put at ${seconds(free)}.`);
  changed();
}

// -- whole stories, and the way back ----------------------------------------------------------------------------------
function setStory(storyboard) {
  story = { ...empty(), ...structuredClone(storyboard) };
  for (const name of ["keyframes", "clips", "shots"]) story[name] = story[name] || [];
  selected = null;
  spreading = false;
  cursor = Math.round(story.num_frames / 2);
}
// Take another story. `example` says that it came with the page, and is not the visitor's.
function begin(storyboard, example = false) {
  setStory(storyboard);
  if (example) exampleText = JSON.stringify(story);
  changed();
}
function clear() {
  begin({ ...story, keyframes: [], clips: [], shots: [] });
  say("The timeline is empty; your words are kept. Undo brings the pictures back.");
}
function startNew() {
  begin(empty());
  say("An empty film. Add pictures, or only describe what happens.");
}
// Keep the story for undo. Edits of the same text that follow each other within two seconds are one step.
function remember(edit = "") {
  const text = JSON.stringify(story), again = edit && edit === lastEdit && Date.now() - lastEditAt < 2000;
  if (text === now) return;
  if (now && !again) past.push(now);
  if (past.length > 200) past.shift();
  future.length = 0;
  [now, lastEdit, lastEditAt] = [text, edit, Date.now()];
}
function goBack(from, to, words) {
  if (!from.length) return;
  to.push(now);
  now = from.pop();
  story = JSON.parse(now);
  [selected, spreading, lastEdit] = [null, false, ""];
  cursor = Math.min(cursor, last());
  publish();
  draw();
  say(words);
}
const undo = () => goBack(past, future, "Undone.");
const redo = () => goBack(future, past, "Done again.");
function changed(keepFocus = false) { remember(); publish(); draw(keepFocus); }
