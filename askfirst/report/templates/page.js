"use strict";
// Sorts a table by the column whose button is pressed; once more turns it around. What was equal stays in its order.
const words = new Intl.Collator("en", { numeric: true });
const heard = document.getElementById("heard");
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const number = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const down = before === null ? number : before === "ascending";
    const value = (row) => row.cells[head.cellIndex].dataset.v;
    const order = number ? (a, b) => Number(a) - Number(b) : (a, b) => words.compare(a, b);
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort((a, b) => (down ? order(value(b), value(a)) : order(value(a), value(b))));
    table.tBodies[0].append(...rows);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    heard.textContent = `sorted by ${button.textContent}, ${down ? "descending" : "ascending"}`;
  });
}
