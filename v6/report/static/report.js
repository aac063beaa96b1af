"use strict";
(() => {
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const digits = (value, places) =>
    Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  const sign = (value, text) => (value < 0 && /[1-9]/.test(text) ? "\u2212" : "");
  // The same wording as v6/report/numbers.py; places is what an axis needs to tell its ticks apart.
  const worded = (value, unit, places) => {
    if (value == null) return "\u2013";
    const shown = unit === "percent" ? value * 100 : value;
    const usual = { usd: 0, percent: 1, count: 0, days: 1, plain: 2 }[unit];
    const text = digits(shown, places == null ? usual : places);
    const around = { usd: ["$", ""], percent: ["", " %"], days: ["", " d"] }[unit] || ["", ""];
    return sign(value, text) + around[0] + text + around[1];
  };
  const placesOf = (step, unit) => {
    const size = unit === "percent" ? step * 100 : step;
    let places = 0;
    while (places < 6 && Math.abs(size * 10 ** places - Math.round(size * 10 ** places)) > 1e-6) places += 1;
    return places;
  };
  const PALETTE = ["--up", "--down", "--good", "--warn", "--muted", "--bad"];

  const pane = (place, spec, times, marks, sync, width, last) => {
    const grid = { stroke: colour("--edge"), width: 1 };
    const axis = { stroke: colour("--muted"), grid, ticks: { ...grid, size: 4 }, font: "12px system-ui, sans-serif" };
    const below = !spec.tall;
    const series = spec.lines.map((line, i) => {
      const stroke = colour(below ? PALETTE[(i + 1) % PALETTE.length] : PALETTE[i % PALETTE.length]);
      return {
        label: line.label,
        stroke,
        width: line.benchmark ? 1.25 : 1.75,
        dash: line.benchmark ? [5, 4] : undefined,
        fill: below && i === 0 ? stroke + "33" : undefined,
        fillTo: 0,
        points: { show: times.length < 2 },
        value: (_, v) => worded(v, spec.unit),
      };
    });
    const drawMarks = (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = colour("--muted");
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
      for (const mark of marks) {
        const x = Math.round(plot.valToPos(mark.at, "x", true));
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        const right = x + ctx.measureText(mark.label).width + 8 > bbox.left + bbox.width;
        ctx.textAlign = right ? "right" : "left";
        if (spec.tall) ctx.fillText(mark.label, x + (right ? -4 : 4) * devicePixelRatio, bbox.top + 12 * devicePixelRatio);
      }
      ctx.restore();
    };
    return new uPlot(
      {
        width,
        height: spec.tall ? 300 : 150,
        tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
        padding: [8, 16, 0, 0],
        cursor: { sync: { key: sync }, y: false },
        legend: { live: true },
        scales: { x: { time: true } },
        axes: [
          last ? axis : { ...axis, size: 8, values: (_, ticks) => ticks.map(() => "") },
          {
            ...axis,
            size: 84,
            values: (plot, ticks) => {
              const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
              return ticks.map((v) => worded(v, spec.unit, placesOf(step, spec.unit)));
            },
          },
        ],
        series: [{ label: "Time", value: "{YYYY}-{MM}-{DD}" }, ...series],
        hooks: { draw: [drawMarks] },
      },
      [times, ...spec.lines.map((line) => line.values)],
      place,
    );
  };

  let plots = [];
  const draw = () => {
    plots.forEach(([plot]) => plot.destroy());
    plots = [];
    document.querySelectorAll("figure.chart").forEach((figure, at) => {
      const chart = JSON.parse(figure.querySelector("script").textContent);
      const place = figure.querySelector(".panes");
      place.replaceChildren();
      chart.panes.forEach((spec, i) => {
        const box = document.createElement("div");
        if (i > 0) {
          const title = document.createElement("p");
          title.className = "pane-title";
          title.textContent = spec.title;
          box.append(title);
        }
        place.append(box);
        const last = i === chart.panes.length - 1;
        plots.push([pane(box, spec, chart.times, chart.marks, "chart" + at, place.clientWidth, last), place]);
      });
    });
  };
  draw();
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      plots.forEach(([plot, place]) => plot.setSize({ width: place.clientWidth, height: plot.height }));
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", draw);

  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    draw();
  });

  // Missing values stay at the end, whichever way the column is sorted.
  const compare = (a, b, numeric, down) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
    return down ? -order : order;
  };
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, column) => {
      const click = document.createElement("button");
      click.type = "button";
      click.textContent = head.textContent;
      head.replaceChildren(click);
      click.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending" && head.classList.contains("number")
          ? true
          : head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.order;
        const rows = [...table.tBodies[0].rows];
        const numeric = rows.every((row) => key(row) === "" || !Number.isNaN(Number(key(row))));
        rows.sort((a, b) => compare(key(a), key(b), numeric, down));
        table.tBodies[0].append(...rows);
      });
    });
  });

  // A link to something folded opens it.
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  root.dataset.ready = "yes";
})();
