// Today's page: the chart of entries, and whether the figures still come in.

import { axes, base, chart } from "./chart.js";

const SILENT_MS = 12_000;

const today = document.querySelector("[data-today]");
const frame = today?.querySelector("[data-entries]");
let series = frame ? JSON.parse(frame.dataset.entries) : null;
let draw = null;

function options(c) {
  const last = series.times.length - 1;
  return {
    ...base(c),
    ...axes(c, series.times, { interval: (_, time) => time.endsWith(":00") }),
    series: [
      {
        name: frame.dataset.nameToday,
        type: "bar",
        data: series.today,
        itemStyle: { color: c.entered, borderRadius: [3, 3, 0, 0] },
        barCategoryGap: last > 40 ? "12%" : "22%",
      },
      {
        name: frame.dataset.nameLast,
        type: "line",
        data: series.last,
        symbol: "none",
        lineStyle: { color: c.last, width: 2, type: [6, 4] },
        itemStyle: { color: c.last },
      },
    ],
  };
}

function show() {
  if (!series?.times.length || !window.echarts) return;
  if (draw) draw();
  else {
    frame.classList.remove("chart-waiting");
    draw = chart(frame, options);
  }
}

if (today) {
  const state = today.querySelector("[data-today-state]");
  let silence = 0;
  const heard = () => {
    state.hidden = false;
    today.classList.remove("live-down");
    clearTimeout(silence);
    silence = setTimeout(() => today.classList.add("live-down"), SILENT_MS);
  };
  today.addEventListener("live:figures", (event) => {
    heard();
    // A page that stands open overnight begins the new day with its own heading.
    if ((event.detail.day ?? today.dataset.day) !== today.dataset.day) window.location.reload();
    if (event.detail.chart) {
      series = JSON.parse(event.detail.chart);
      show();
    }
  });
  // A page that could not connect for a while may have been signed out: loading it anew says so.
  let down = 0;
  setInterval(() => {
    down = today.classList.contains("live-down") ? down + 1 : 0;
    if (down >= 6 && navigator.onLine) {
      fetch(window.location.href, { redirect: "manual", cache: "no-store" })
        .then((answer) => {
          if (answer.ok || answer.type === "opaqueredirect" || answer.status < 500) window.location.reload();
        })
        .catch(() => undefined);
      down = 0;
    }
  }, 10_000);
  show();
}
