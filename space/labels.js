// Names for what Gradio leaves without one: its picture buttons, and its empty fields. Called once, by the page.
() => {
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
