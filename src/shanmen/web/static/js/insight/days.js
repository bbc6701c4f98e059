// The charts of past days.

import { axes, base, chart } from "./chart.js";

const frame = document.querySelector("[data-days]");

if (frame && window.echarts) {
  const series = JSON.parse(frame.dataset.days);
  frame.hidden = false;
  const bar = (name, data, color, more = {}) => ({ name, type: "bar", data, itemStyle: { color }, ...more });
  chart(frame.querySelector("[data-days-visitors]"), (c) => ({
    ...base(c),
    ...axes(c, series.days),
    series: [
      bar(frame.dataset.nameSold, series.sold, c.sold, { barGap: "-100%", barCategoryGap: "25%" }),
      bar(frame.dataset.nameEntered, series.entered, c.entered, { barCategoryGap: "25%" }),
    ],
  }));
  chart(frame.querySelector("[data-days-money]"), (c) => ({
    ...base(c),
    ...axes(c, series.days),
    series: [
      bar(frame.dataset.nameTaken, series.taken, c.entered, { stack: "money", barCategoryGap: "25%" }),
      bar(frame.dataset.nameRefunded, series.refunded, c.bad, { stack: "money" }),
    ],
  }));
}
