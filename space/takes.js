// The takes that were filmed, to compare and to return to. props.value: [{number, seed, took, picture, now}].
const strip = element.querySelector(".sd-takes");
function make(tag, words, options = {}) {
  const node = document.createElement(tag);
  Object.assign(node, options);
  node.append(words);
  return node;
}
function draw() {
  strip.replaceChildren(...(props.value || []).map((take) => {
    const show = make("button", make("img", "", { src: take.picture, alt: "" }), { type: "button", className: "sd-take" });
    show.append(make("span", `Take ${take.number} · seed ${take.seed} · ${take.took} s`));
    show.setAttribute("aria-pressed", String(Boolean(take.now)));
    show.addEventListener("click", () => trigger("select", { number: take.number }));
    const story = make("button", "Use its story", { type: "button", className: "sd-button" });
    story.setAttribute("aria-label", `Put the story of take ${take.number} on the timeline`);
    story.addEventListener("click", () => trigger("input", { number: take.number }));
    const both = make("div", show, { className: "sd-take-card" });
    both.append(story);
    return both;
  }));
}
watch("value", draw);
draw();
