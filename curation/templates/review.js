"use strict";
// Review on the page: choose a picture, say what becomes of it, save the decisions as CSV.
// Nothing leaves the page; the decisions are kept in this browser until they are cleared.
(() => {
  const bar = document.getElementById("review");
  const columns = ["digest", "species", "decision", "to", "note"];

  // Tables that a click, or Enter, on a column's head sorts.
  const valueOf = (cell) => cell.dataset.v ?? cell.textContent.trim();
  const sortBy = (table, column, isRising) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const numeric = rows.every((row) => valueOf(row.cells[column]) === "" || !isNaN(valueOf(row.cells[column])));
    const compare = numeric
      ? (a, b) => Number(valueOf(a.cells[column])) - Number(valueOf(b.cells[column]))
      : (a, b) => valueOf(a.cells[column]).localeCompare(valueOf(b.cells[column]));
    rows.sort((a, b) => (isRising ? compare(a, b) : compare(b, a)));
    body.append(...rows);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isRising = head.getAttribute("aria-sort") === "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", isRising ? "ascending" : "descending");
        sortBy(table, column, isRising);
      });
    });
  }

  if (!bar) return;
  const part = (name) => bar.querySelector(`[data-part="${name}"]`);
  const picks = [...document.querySelectorAll(".pic")];
  const storage = `bestiary-review:${bar.dataset.dataset}:${bar.dataset.lock}`;
  const keyOf = (pick) => JSON.stringify([pick.dataset.d, pick.dataset.s]);
  let decisions = new Map();
  let history = [];
  let chosen = null;

  try {
    decisions = new Map(JSON.parse(localStorage.getItem(storage) ?? "[]"));
  } catch {
    // No storage for this page: decisions last until it is closed.
  }
  const byKey = new Map();
  for (const pick of picks) {
    const key = keyOf(pick);
    byKey.set(key, [...(byKey.get(key) ?? []), pick]);
  }

  const mark = (key) => {
    const found = decisions.get(key);
    for (const pick of byKey.get(key) ?? []) {
      if (found) pick.dataset.decision = found.decision;
      else delete pick.dataset.decision;
    }
  };
  const keep = () => {
    try {
      localStorage.setItem(storage, JSON.stringify([...decisions]));
    } catch {
      // As above.
    }
  };
  const told = (decision) =>
    decision ? (decision.decision === "move" ? `moved to ${decision.to}` : decision.decision) : "undecided";

  const show = () => {
    bar.hidden = !chosen && decisions.size === 0;
    part("count").textContent = decisions.size === 1 ? "1 decision" : `${decisions.size} decisions`;
    part("save").disabled = decisions.size === 0;
    part("clear").disabled = decisions.size === 0;
    part("undo").disabled = history.length === 0;
    part("one").hidden = !chosen;
    if (!chosen) return;
    const decision = decisions.get(keyOf(chosen));
    part("thumb").src = chosen.querySelector("img")?.src ?? "data:,";
    part("what").textContent = `${chosen.dataset.s} · ${told(decision)}`;
    part("detail").textContent = chosen.title;
    part("note").value = decision?.note ?? "";
    part("to").value = decision?.decision === "move" ? decision.to : "";
    part("distinct").hidden = !chosen.dataset.o;
    const link = part("page");
    link.hidden = !chosen.href;
    if (chosen.href) link.href = chosen.href;
    else link.removeAttribute("href");
    document.body.style.paddingBottom = `${bar.offsetHeight + 24}px`;
  };
  const choose = (pick) => {
    chosen?.classList.remove("chosen");
    chosen = pick;
    chosen?.classList.add("chosen");
    show();
  };
  const put = (key, decision) => {
    history.push([key, decisions.get(key)]);
    if (decision) decisions.set(key, decision);
    else decisions.delete(key);
    mark(key);
    keep();
    show();
  };
  const decide = (decision, to = "") => {
    if (chosen) put(keyOf(chosen), { decision, to, note: part("note").value.trim() });
  };
  const distinguish = () => {
    if (chosen?.dataset.o) decide("distinct", chosen.dataset.o);
  };
  const undo = () => {
    const last = history.pop();
    if (!last) return;
    const [key, before] = last;
    if (before) decisions.set(key, before);
    else decisions.delete(key);
    mark(key);
    keep();
    show();
  };

  // One stop for the tab key per sheet; arrows move within it.
  const sheets = new Map();
  for (const pick of picks) {
    const sheet = pick.closest("[data-sheet]") ?? pick.parentElement;
    sheets.set(sheet, [...(sheets.get(sheet) ?? []), pick]);
    if (!pick.href) pick.setAttribute("role", "button");
    pick.tabIndex = sheets.get(sheet).length === 1 ? 0 : -1;
  }
  const step = (pick, by) => {
    const fellows = sheets.get(pick.closest("[data-sheet]") ?? pick.parentElement);
    const seen = fellows.filter((one) => one.offsetParent !== null);
    const next = seen[Math.min(Math.max(seen.indexOf(pick) + by, 0), seen.length - 1)];
    for (const one of fellows) one.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    choose(next);
  };
  const keys = {
    ArrowRight: (pick) => step(pick, 1),
    ArrowLeft: (pick) => step(pick, -1),
    Home: (pick) => step(pick, -Infinity),
    End: (pick) => step(pick, Infinity),
    k: (pick) => { choose(pick); decide("keep"); },
    x: (pick) => { choose(pick); decide("drop"); },
    d: (pick) => { choose(pick); distinguish(); },
    m: (pick) => { choose(pick); part("to").focus(); },
    u: undo,
    Enter: choose,
    " ": choose,
  };
  document.addEventListener("click", (event) => {
    const pick = event.target.closest(".pic");
    if (!pick || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    choose(pick);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && chosen) {
      if (bar.contains(document.activeElement)) chosen.focus();
      choose(null);
      return;
    }
    const pick = event.target.closest?.(".pic");
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!pick || !action) return;
    event.preventDefault();
    action(pick);
  });

  for (const species of JSON.parse(bar.dataset.species)) {
    const option = document.createElement("option");
    option.value = option.textContent = species;
    part("to").append(option);
  }
  part("keep").addEventListener("click", () => decide("keep"));
  part("drop").addEventListener("click", () => decide("drop"));
  part("distinct").addEventListener("click", distinguish);
  part("undo").addEventListener("click", undo);
  part("to").addEventListener("change", (event) => {
    if (event.target.value) decide("move", event.target.value);
  });
  part("note").addEventListener("change", () => {
    const before = chosen && decisions.get(keyOf(chosen));
    if (before) put(keyOf(chosen), { ...before, note: part("note").value.trim() });
  });
  part("clear").addEventListener("click", () => {
    if (!confirm(`Forget ${decisions.size} decisions?`)) return;
    const marked = [...decisions.keys()];
    decisions.clear();
    history = [];
    marked.forEach(mark);
    keep();
    show();
  });

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csv = () => {
    const rows = [...decisions].map(([key, { decision, to, note }]) => [...JSON.parse(key), decision, to, note]);
    return [columns, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  };
  part("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = `${bar.dataset.dataset}-review.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  for (const key of decisions.keys()) mark(key);
  document.documentElement.classList.add("reviewing");
  show();
})();
