// Live figures: <body data-live-source="/console/…/events"> or any element with it.
//
// The server sends named events whose data is text for the elements marked
// data-live="<name>", or HTML for those marked data-live-html="<name>"; an event named
// "figures" carries a JSON object of several names at once. The element itself gets
// class "live-down" while the connection is broken.

function apply(root, name, value) {
  for (const element of root.querySelectorAll(`[data-live="${CSS.escape(name)}"]`)) {
    if (element.textContent !== String(value)) element.textContent = value;
  }
  for (const element of root.querySelectorAll(`[data-live-html="${CSS.escape(name)}"]`)) {
    element.innerHTML = value;
  }
  for (const element of root.querySelectorAll(`[data-live-value="${CSS.escape(name)}"]`)) {
    element.value = Number(value);
  }
}

export function connect(element) {
  const source = new EventSource(element.dataset.liveSource);
  source.addEventListener("open", () => element.classList.remove("live-down"));
  source.addEventListener("error", () => element.classList.add("live-down"));
  source.addEventListener("figures", (event) => {
    for (const [name, value] of Object.entries(JSON.parse(event.data))) apply(element, name, value);
    element.dispatchEvent(new CustomEvent("live:figures", { detail: JSON.parse(event.data) }));
  });
  const names = new Set();
  for (const live of element.querySelectorAll("[data-live], [data-live-html]")) {
    names.add(live.dataset.live ?? live.dataset.liveHtml);
  }
  for (const name of names) source.addEventListener(name, (event) => apply(element, name, event.data));
  window.addEventListener("pagehide", () => source.close());
  return source;
}

for (const element of document.querySelectorAll("[data-live-source]")) connect(element);
