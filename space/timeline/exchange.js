// What goes in and out: the server's news, uploads, links, and what the browser keeps for the next visit.
// props.value is {storyboard} when the page has set it. The server sets {fresh} with any of storyboard, example, media,
// place, at, continues, visit and here. `fresh` is another text each time: what is seen twice is passed over.
const KEPT = "smartdirector-story";
const seen = new Set();
let dropFrame = null, missing = "";

const value = () => ({ storyboard: structuredClone(story) });
function publish() {
  props.value = value();
  keep();
}
function keep(more = {}) {
  try {
    const uploads = Object.fromEntries(Object.entries(media).filter(([name]) => isUpload(name)));
    localStorage.setItem(KEPT, JSON.stringify({ ...kept(), story, media: uploads, ...more }));
  } catch { /* the browser keeps nothing, such as in a private window: then a reload begins anew */ }
}
function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) || {};
  } catch {
    return {};
  }
}
function take(news) {
  if (!news || !news.fresh || seen.has(news.fresh)) return;
  seen.add(news.fresh);
  Object.assign(media, news.media || {});
  if (news.storyboard) begin(news.storyboard, Boolean(news.example));
  if (news.continues) setStory(empty({ ...story, title: "", keyframes: [], clips: [], shots: [] }));
  drawBin();
  if (news.place) placeAll(news.place, news.at ?? dropFrame);
  if (news.place) dropFrame = null;
  if (news.here) dropMissing(news.here);
  if (news.visit) keep({ visit: news.visit });
  if (news.says) say(news.says);
}
// Take away the pictures of an earlier visit that the server no longer has; `here` names those that it has.
function dropMissing(here) {
  for (const name of Object.keys(media)) if (isUpload(name) && !here.includes(name)) delete media[name];
  const gone = items().filter((item) => isUpload(nameOf(item)) && !media[nameOf(item)]);
  for (const item of gone) listOf(item).splice(listOf(item).indexOf(item.entry), 1);
  drawBin();
  if (!gone.length) return;
  changed();
  say(`${gone.length} of your own pictures of an earlier visit ${gone.length > 1 ? "are" : "is"} no longer here: they are deleted an hour after their last use. Add them again.`);
}
const fileInput = () => document.querySelector("#sd-upload input[type=file]");
function chooseFiles() {
  fileInput()?.click();
}
function upload_(files, frame) {
  const input = fileInput();
  if (!input) return;
  dropFrame = frame;
  input.files = files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}
function copyLink() {
  const own = items().some((item) => isUpload(nameOf(item)));
  const bytes = new TextEncoder().encode(JSON.stringify(story));
  const link = location.href.split("#")[0] + "#story=" + btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
  (navigator.clipboard ? navigator.clipboard.writeText(link) : Promise.reject()).then(
    () => say(own ? "The link is copied. Your own pictures are not in it." : "The link is copied."), () => say(link));
}
function linked() {
  if (!location.hash.startsWith("#story=")) return null;
  const bytes = Uint8Array.from(atob(location.hash.slice(7).replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const found = JSON.parse(new TextDecoder().decode(bytes));
  for (const part of ["keyframes", "clips"]) found[part] = (found[part] || []).filter((entry) => !isUpload(entry.image || entry.video));
  return found;
}
function arrive() {
  const before = kept();
  begin(props.settings.first, true);
  try {
    const story = linked();
    if (story) {
      begin(story);
      history.replaceState(null, "", location.href.split("#")[0]); // what is changed from now on outlives a reload
      return say("This is the story of the link.");
    }
  } catch { return say("The link holds no story that can be read."); }
  if (!before.story) return;
  Object.assign(media, before.media);
  if (JSON.stringify(before.story) !== exampleText) {
    begin(before.story);
    say("Your story is as you left it. Undo brings the example.");
  }
}
// For the page's events: what they send is what is seen now, whatever has reached the server so far.
window.sdTimeline = { value, shown: () => shownTime, frames: () => (onTimeline(film()) ? filmFrame() : null) };
document.addEventListener("click", (event) => {
  if (event.target.closest("#sd-start")) {
    startNew();
    chooseFiles();
  }
  if (event.target.closest("#sd-generate")) document.querySelector("#sd-film")?.scrollIntoView({ block: "nearest" });
});
watch("value", () => take(props.value));
arrive();
drawBin();
take(props.value);
followFilm();
