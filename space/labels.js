// What the page does everywhere; called once, by the page. Names for what Gradio leaves without one, films that play.
() => {
  // Films play on arrival, without sound and again and again, unless the visitor's system asks for less motion. Those
  // of one group (.sd-together) show the same moment: all follow the first one.
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const group = (video) => [...(video.closest(".sd-together")?.querySelectorAll("video") || [])];
  const listen = (name, act) => document.addEventListener(name, (event) => {
    if (event.target.closest?.("#sd-film, .sd-together")) act(event.target, group(event.target));
  }, true);
  listen("loadeddata", (video) => {
    Object.assign(video, { muted: true, loop: true });
    if (!still) video.play().catch(() => {});
  });
  for (const name of ["timeupdate", "seeked", "play", "pause"]) listen(name, (video, all) => {
    if (video !== all[0]) return;
    for (const other of all.slice(1)) {
      if (Math.abs(other.currentTime - video.currentTime) > 0.06) other.currentTime = video.currentTime;
      if (other.paused !== video.paused) video.paused ? other.pause() : other.play().catch(() => {});
    }
  });
  let waiting = false;
  const name = () => {
    waiting = false;
    document.querySelectorAll(".image-frame img:not([alt]), .image-frame img[alt='']").forEach((img) => {
      const label = img.closest(".block")?.querySelector("[data-testid='block-label']");
      if (label) img.alt = label.innerText.trim() || label.textContent.trim();
    });
    document.querySelectorAll(".empty[aria-label]:not([role])").forEach((field) => field.setAttribute("role", "img"));
  };
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(name); } };
  new MutationObserver(soon).observe(document.body, { childList: true, subtree: true });
  soon();
}
