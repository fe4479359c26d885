// A browser that opens the site from files cannot fetch the pages that search quotes from.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What the theme leaves out for people who use a keyboard or a screen reader.
for (const box of document.querySelectorAll("pre, .table-wrapper")) box.tabIndex = 0;
for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = 2;
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "This page");
for (const head of document.querySelectorAll("thead")) if (!head.textContent.trim()) head.remove();
for (const cell of document.querySelectorAll("th")) if (!cell.textContent.trim()) cell.replaceWith(document.createElement("td"));

// Long signatures: one line per parameter is not a list of definitions.
for (const list of document.querySelectorAll(".sig > dl")) {
    const lines = [...list.children].map((line) => {
        const row = document.createElement("span");
        row.className = "sig-line";
        row.append(...line.childNodes);
        return row;
    });
    list.replaceWith(...lines);
}
