// Tables sort by a column's heading; links into a closed part open it. The page reads well without either.
"use strict";
for (const heading of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => {
    const place = heading.cellIndex;
    const body = heading.closest("table").tBodies[0];
    const before = heading.getAttribute("aria-sort");
    const numbers = body.rows[0]?.cells[place].classList.contains("number");
    const falling = before ? before === "ascending" : numbers;
    const value = (row) => {
      const cell = row.cells[place];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
    };
    const isMissing = (row) => row.cells[place].textContent === "–";
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return isMissing(a) - isMissing(b) || (falling ? -order : order);
    };
    body.append(...[...body.rows].sort(compare));
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  });
}
function openTarget() {
  let place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const target = place;
  for (; place; place = place.parentElement) if (place.tagName === "DETAILS") place.open = true;
  if (target) target.scrollIntoView();
}
window.addEventListener("hashchange", openTarget);
openTarget();
