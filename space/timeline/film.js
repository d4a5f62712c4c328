// The film above the timeline: a line that shows where it is, and which of its frames is seen.
const film = () => document.querySelector("#sd-film video");
const followed = new WeakSet();
let shownTime = 0; // of the frame that is seen, in seconds; the browser's currentTime may lie up to a frame beside it

function followFilm() {
  const video = film();
  if (!video || followed.has(video)) return;
  followed.add(video);
  const shown = (time) => { shownTime = time; drawPlayhead(); };
  if (video.requestVideoFrameCallback) {
    const tick = (_, frame) => { shown(frame.mediaTime); video.requestVideoFrameCallback(tick); };
    video.requestVideoFrameCallback(tick);
  } else for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, () => shown(video.currentTime));
  video.addEventListener("loadedmetadata", () => shown(0));
  // A film that another one takes the place of pauses as well, and has nothing to show any more.
  video.addEventListener("pause", () => {
    if (onTimeline(video) && !video.seeking && video.readyState >= 2) setCursor(filmFrame());
  });
}
// Whether the film is as long as the story on the timeline, so that a place on one is a place on the other.
const onTimeline = (video) => video && Math.abs(video.duration * story.fps - story.num_frames) < 1;
const filmFrame = () => Math.min(last(), Math.round(shownTime * story.fps));
function drawPlayhead() {
  const video = film();
  playhead.hidden = !onTimeline(video);
  playhead.style.left = `${percent(filmFrame())}%`;
}
// Show a frame of the film: its middle is asked for, since its edge may show the one before it.
function seekFilm(frame) {
  const video = film();
  if (!onTimeline(video)) return;
  video.pause();
  video.currentTime = (frame + 0.5) / story.fps;
}
new MutationObserver(followFilm).observe(document.body, { childList: true, subtree: true });
