// Draws the charts of the HTML report with uPlot. Everything else of the page is text already.
(() => {
  const charts = JSON.parse(document.getElementById('charts').textContent);
  const plots = [];
  let printed = false;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
  const grouped = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 });
  const figure = (value) => (value === null || value === undefined ? '–' : grouped.format(value));
  const percentile = (x) => `${Number((100 - 100 / x).toPrecision(7))}%`;

  // Decades of a spectrum have a label each, of many so many that none touches the next.
  const LABEL_WIDTH = 76;
  const isDecade = (tick) => Number.isInteger(Math.log10(tick));
  function labelled(plot, ticks) {
    const decades = Math.log10(plot.scales.x.max / plot.scales.x.min);
    const every = Math.max(
      1,
      Math.ceil((decades * LABEL_WIDTH) / (plot.bbox.width / devicePixelRatio)),
    );
    return ticks.map((tick) =>
      isDecade(tick) && Math.log10(tick) % every === 0 ? percentile(tick) : '',
    );
  }
  // Lines within a decade help where there are few decades, and are a grey field where there are many.
  const DECADES_RULED = 4;
  const ruled = (plot, ticks) => {
    const isFew = plot.scales.x.max / plot.scales.x.min <= 10 ** DECADES_RULED;
    return ticks.map((tick) => (isFew || isDecade(tick) ? tick : null));
  };

  const styleOf = ({ dash }) => (dash ? 'dashed' : 'solid');

  function axis(label, extra) {
    return {
      stroke: color('faint'),
      label,
      labelSize: 20,
      ...extra,
      grid: { stroke: color('rule'), width: 1, ...extra.rules },
      ticks: { stroke: color('rule'), width: 1, ...extra.rules },
    };
  }

  function options(chart, width) {
    const isSpectrum = chart.axis === 'percentile';
    const series = chart.lines.map((line) => ({
      label: line.name,
      stroke: color(line.color),
      width: 1.5,
      dash: line.isDashed ? [6, 4] : undefined,
      points: { show: chart.x.length < 3 },
      value: (_, value) => figure(value),
    }));
    return {
      width,
      height: 280,
      // The last mark of the percentiles is longer than others.
      padding: [null, isSpectrum ? 40 : null, null, null],
      scales: {
        x: isSpectrum ? { time: false, distr: 3, log: 10 } : { time: false },
        y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] },
      },
      axes: [
        axis(isSpectrum ? 'percentile' : 'seconds', {
          space: 60,
          // uPlot has a rule of its own for marks that have no room, which leaves out the wrong ones.
          filter: isSpectrum ? (_, ticks) => ticks : undefined,
          values: isSpectrum ? labelled : (_, ticks) => ticks.map(figure),
          rules: isSpectrum ? { filter: ruled } : {},
        }),
        axis(chart.unit, { size: 64, values: (_, ticks) => ticks.map(figure) }),
      ],
      series: [
        {
          label: isSpectrum ? 'percentile' : 'until, s',
          value: (_, value) =>
            value === null ? '–' : isSpectrum ? percentile(value) : figure(value),
        },
        ...series,
      ],
      cursor: { drag: { x: !isSpectrum, y: false } },
      legend: {
        markers: {
          width: 1.5,
          fill: () => 'transparent',
          dash: (plot, i) => styleOf(plot.series[i]),
        },
      },
      hooks: {
        setLegend: [
          ({ legend: { idx }, root }) =>
            root.parentElement?.classList.toggle('idle', idx === null || idx === undefined),
        ],
      },
    };
  }

  function draw(chart) {
    const place = document.querySelector(`#chart-${chart.id} .plot`);
    place.replaceChildren();
    place.classList.add('idle');
    const data = [chart.x, ...chart.lines.map((line) => line.values)];
    const plot = new uPlot(options(chart, widthOf(place)), data, place);
    // The chart is one image to a screen reader; the table below it has its data.
    place.querySelector('.u-legend').setAttribute('aria-label', 'Legend');
    return { place, plot };
  }

  const widthOf = (place) => Math.max(200, Math.floor(place.clientWidth));

  function drawAll() {
    for (const { plot } of plots) plot.destroy();
    plots.splice(0, plots.length, ...charts.map(draw));
  }

  /** On paper a chart takes the width that there is, which nobody knows before. */
  function stretchAll() {
    for (const { place } of plots) {
      for (const part of place.querySelectorAll('.uplot, .u-wrap, canvas')) {
        part.style.width = '100%';
        part.style.height = 'auto';
      }
    }
  }

  drawAll();
  document.body.dataset.charts = String(plots.length);

  // Sorts a table by the column whose head was clicked: figures from the largest, names from the first.
  function sort(body, head, column) {
    const isUp = head.getAttribute('aria-sort') === (column === 0 ? 'none' : 'descending');
    for (const other of head.parentElement.children) other.setAttribute('aria-sort', 'none');
    head.setAttribute('aria-sort', isUp ? 'ascending' : 'descending');
    const keyOf = (row) => {
      const text = row.cells[column].textContent;
      return column === 0 ? text : Number(text.replaceAll(',', '').replace(/^-$/, '-1'));
    };
    const isRest = (row) => (row.querySelector('.rest') === null ? 0 : 1);
    const rows = [...body.rows].sort((a, b) => {
      if (isRest(a) !== isRest(b)) return isRest(a) - isRest(b);
      const [x, y] = [keyOf(a), keyOf(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (isUp ? 1 : -1);
    });
    body.append(...rows);
  }

  for (const table of document.querySelectorAll('.sortable table')) {
    const [body] = table.tBodies;
    for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => sort(body, head, column));
    }
  }

  let asked = 0;
  new ResizeObserver(() => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => {
      if (printed) return;
      for (const { plot, place } of plots) {
        const width = widthOf(place);
        if (plot.width !== width) plot.setSize({ width, height: plot.height });
      }
    });
  }).observe(document.body);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    if (!printed) drawAll();
  });
  const paper = document.documentElement.classList;
  addEventListener('beforeprint', () => {
    printed = true;
    paper.add('paper');
    drawAll();
    // uPlot sizes what it draws in a microtask, too.
    queueMicrotask(stretchAll);
  });
  addEventListener('afterprint', () => {
    printed = false;
    paper.remove('paper');
    drawAll();
  });
})();
