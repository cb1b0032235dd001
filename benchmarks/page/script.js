"use strict";
// A sentence for the number under the pointer or the focus; one stop of the tab key per table and figure, arrows inside.
(() => {
  const tip = document.getElementById("tip");

  for (const field of document.querySelectorAll(".plot > rect")) {
    const title = field.querySelector("title");
    field.dataset.tip = title.textContent;
    field.setAttribute("role", "img");
    field.setAttribute("aria-label", title.textContent);
    title.remove();
  }

  const head = (cell) => {
    const before = [...cell.parentElement.cells].slice(0, cell.cellIndex);
    const column = before.reduce((sum, each) => sum + each.colSpan, 0);
    return cell.closest("table").tHead.rows[0].cells[column];
  };
  const explanation = (element) => {
    if (element.dataset.tip) return element.dataset.tip;
    if (element.tagName !== "TD") return "";
    const here = element.querySelector("[aria-label]")?.ariaLabel ?? element.textContent;
    return `${head(element).dataset.tip}. Here: ${here}. Over: ${element.parentElement.dataset.over}.`;
  };
  const items = (frame) => [...frame.querySelectorAll("[data-tip], td")];

  let shown = null;
  const show = (element) => {
    shown = element;
    tip.textContent = explanation(element);
    tip.hidden = false;
    element.setAttribute("aria-describedby", "tip");
    place();
  };
  const place = () => {
    if (!shown) return;
    const at = shown.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.min(at.left, document.documentElement.clientWidth - size.width - 8);
    const below = at.bottom + 6 + size.height <= innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - size.height - 6)}px`;
  };
  const hide = () => {
    shown = null;
    tip.hidden = true;
    for (const element of document.querySelectorAll("[aria-describedby=tip]")) element.removeAttribute("aria-describedby");
  };
  const explained = (event) => event.target.closest?.("[data-tip], td");
  for (const [enter, leave] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    document.addEventListener(enter, (event) => { const found = explained(event); if (found) { hide(); show(found); } });
    document.addEventListener(leave, hide);
  }
  addEventListener("scroll", place, { passive: true, capture: true });

  for (const frame of document.querySelectorAll("[data-rove]"))
    items(frame).forEach((item, index) => item.setAttribute("tabindex", index ? "-1" : "0"));

  const next = (item, key, all) => {
    const index = all.indexOf(item);
    const row = item.closest("tr");
    if (row && (key === "ArrowUp" || key === "ArrowDown")) {
      const rows = [...row.closest("table").rows];
      const beside = rows[rows.indexOf(row) + (key === "ArrowDown" ? 1 : -1)];
      const cell = beside && beside.cells[Math.min(item.cellIndex, beside.cells.length - 1)];
      return all.includes(cell) ? cell : item;
    }
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
    return all[Math.min(Math.max(index + step, 0), all.length - 1)];
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const item = event.key.startsWith("Arrow") && document.activeElement.closest("[data-rove] [tabindex]");
    if (!item) return;
    event.preventDefault();
    const to = next(item, event.key, items(item.closest("[data-rove]")));
    item.setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
    to.focus();
  });
})();
