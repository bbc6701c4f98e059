// What the charts of the figures share: colours of the page, in the light and in the dark.

const dark = window.matchMedia("(prefers-color-scheme: dark)");

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--ink"),
    muted: read("--muted"),
    line: read("--line"),
    surface: read("--surface"),
    entered: read("--green"),
    sold: read("--figure-sold") || read("--line-strong"),
    last: read("--accent"),
    bad: read("--bad"),
    font: getComputedStyle(document.body).fontFamily,
  };
}

export function base(c) {
  return {
    animation: false,
    textStyle: { fontFamily: c.font, color: c.muted, fontSize: 13 },
    grid: { left: 4, right: 8, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    // Drawn on the canvas: markup with styles of its own is against the page's policy.
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      confine: true,
      axisPointer: { type: "shadow", shadowStyle: { color: c.line, opacity: 0.35 } },
      backgroundColor: c.surface,
      borderColor: c.line,
      textStyle: { color: c.ink, fontFamily: c.font, fontSize: 14 },
    },
  };
}

export function axes(c, labels, label = {}) {
  return {
    xAxis: {
      type: "category",
      data: labels,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: c.line } },
      axisLabel: { color: c.muted, hideOverlap: true, ...label },
    },
    yAxis: {
      type: "value",
      minInterval: 1,
      splitLine: { lineStyle: { color: c.line } },
      axisLabel: { color: c.muted },
    },
  };
}

// A chart that fits its frame and follows the colours of the page.
export function chart(element, options) {
  element.replaceChildren();
  const drawn = window.echarts.init(element, null, { renderer: "canvas" });
  const draw = () => drawn.setOption(options(colours()), { notMerge: true });
  new ResizeObserver(() => drawn.resize()).observe(element);
  dark.addEventListener("change", draw);
  draw();
  return draw;
}
