// What is wrong with the page as it is shown, a line for each fault; empty if nothing is.
(() => {
  const faults = [];
  const name = (element) => `${element.tagName} "${(element.textContent || "").trim().slice(0, 40)}"`;
  const box = (element) => element.getBoundingClientRect();
  const meet = (a, b, slack) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > slack && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > slack;
  const seen = (element) => element.checkVisibility() && box(element).width > 1;

  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);

  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice the id ${id}`);
  for (const named of document.querySelectorAll("[aria-labelledby]"))
    if (!document.getElementById(named.getAttribute("aria-labelledby"))?.textContent) faults.push(`no label: ${name(named)}`);
  for (const link of document.querySelectorAll("a")) if (!document.querySelector(link.getAttribute("href"))) faults.push(`dead: ${name(link)}`);

  // Labels of figures: each inside of its figure, none on another.
  const plots = [...document.querySelectorAll("svg.plot")];
  for (const plot of plots) {
    const frame = box(plot), texts = [...plot.querySelectorAll("text")];
    texts.forEach((text, index) => {
      const at = box(text);
      if (at.left < frame.left - 1 || at.right > frame.right + 1 || at.top < frame.top - 1 || at.bottom > frame.bottom + 1)
        faults.push(`cut: ${name(text)}`);
      for (const other of texts.slice(index + 1)) if (meet(at, box(other), 0.5)) faults.push(`${name(text)} is on ${name(other)}`);
    });
    if (Math.max(...texts.map((text) => parseFloat(getComputedStyle(text).fontSize))) * frame.width / plot.viewBox.baseVal.width < 10)
      faults.push(`small letters: ${name(plot)}`);
    // Something besides axes: an image, or a mark in a colour of a series; or each row says that there is nothing.
    const style = getComputedStyle(document.documentElement);
    const probe = document.createElement("i");
    document.body.append(probe);
    const series = [0, 1, 2, 3, 4, 5].map((place) => { probe.style.color = style.getPropertyValue(`--c${place}`); return getComputedStyle(probe).color; });
    probe.remove();
    const marks = [...plot.querySelectorAll("path, use")].filter((mark) => {
      const { fill, stroke } = getComputedStyle(mark);
      return series.includes(fill) || series.includes(stroke);
    });
    const never = [...plot.querySelectorAll(":scope > rect")].every((row) => row.dataset.tip.includes("never"));
    if (!plot.querySelector("image") && !marks.length && !never) faults.push(`empty: ${name(plot)}`);
    if (!plot.querySelector(":scope > rect")) faults.push(`no row: ${name(plot)}`);
  }

  // Pieces of the page: none on its neighbour.
  for (const parent of document.querySelectorAll("body, header, main, section, article, figure, figcaption, .panels, ul, dl")) {
    const pieces = [...parent.children].filter((piece) => seen(piece) && getComputedStyle(piece).position === "static");
    pieces.forEach((piece, index) => {
      for (const other of pieces.slice(index + 1))
        if (getComputedStyle(piece).display !== "inline" && meet(box(piece), box(other), 1)) faults.push(`${name(piece)} is on ${name(other)}`);
    });
    for (const piece of pieces) if (box(piece).right > document.documentElement.clientWidth + 1) faults.push(`beyond the edge: ${name(piece)}`);
  }

  // Contrast of every text with what is behind it (WCAG 2.2, 1.4.3).
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgb(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own || !element.checkVisibility() || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(rgb(element.tagName === "text" ? style.fill : style.color)), light(behind(element))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    // Squares and dots of a key are graphics, for which 3 is enough and their words stand beside them.
    if (contrast < 4.5 && !/^[■●□▲]$/.test(element.textContent)) faults.push(`contrast ${contrast.toFixed(2)}: ${name(element)}`);
  }

  // Every number explains itself to the keyboard, within the page.
  const tip = document.getElementById("tip");
  for (const item of document.querySelectorAll("td, .plot > rect, thead th[data-tip]")) {
    item.focus();
    if (document.activeElement !== item) faults.push(`cannot be focused: ${name(item)}`);
    const at = box(tip);
    if (tip.hidden || tip.textContent.length < 20 || /undefined|null|NaN/.test(tip.textContent)) faults.push(`unexplained: ${name(item)}: ${tip.textContent}`);
    if (at.left < 0 || at.right > document.documentElement.clientWidth || at.top < 0) faults.push(`tip out of sight: ${name(item)}`);
  }
  document.activeElement.blur();

  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent) faults.push(`no caption: ${name(table)}`);
    for (const head of table.querySelectorAll("th")) if (!head.scope) faults.push(`no scope: ${name(head)}`);
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((heading) => Number(heading.tagName[1]));
  if (levels[0] !== 1 || levels.some((level, index) => index && level > levels[index - 1] + 1)) faults.push(`headings ${levels}`);
  for (const landmark of ["header", "nav", "main", "footer"]) if (!document.querySelector(landmark)) faults.push(`no ${landmark}`);
  if (!plots.length || !document.querySelector("td")) faults.push("nothing to look at");
  return [...new Set(faults)];
})()
