"use strict";
// What makes the results page alive: thumbnails, more results on scrolling, links on hovering,
// and the side panel. Records and thumbnails come in the page's own inline scripts.

const TRICKLE_MS = 50;
const SWAP_MS = 60;

function _setImagesSrc(ids, source) {
  for (const id of ids) document.getElementById(id)?.setAttribute("src", source);
}

// Records for the page's own use; nothing here reads them.
function AF_initDataCallback() {}

google.show = () => {
  for (const [id, source] of Object.entries(google.ldi)) {
    _setImagesSrc([id], source);
    delete google.ldi[id];
  }
};

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function unseal(card) {
  const bytes = Uint8Array.from(atob(card.dataset.ved), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function addPiece(list, piece) {
  list.insertAdjacentHTML("beforeend", piece.html);
  for (const text of piece.scripts) {
    const script = document.createElement("script");
    script.textContent = text;
    document.body.append(script);
  }
}

function startResults() {
  const list = document.querySelector("[data-next]");
  const tail = document.getElementById("tail");
  const more = document.getElementById("more");
  let next = list.dataset.next;
  let isLoading = false;

  const isNearEnd = () =>
    window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 600;

  async function load() {
    isLoading = true;
    const query = new URLSearchParams({ q: list.dataset.query, start: next, async: "_fmt:json" });
    const answer = await fetch(`/search/more?${query}`);
    if (answer.redirected) return location.assign(answer.url);
    const batch = await answer.json();
    for (const piece of batch.pieces) {
      await later(TRICKLE_MS);
      addPiece(list, piece);
    }
    next = batch.next ?? "";
    tail.innerHTML = batch.end;
    more.hidden = !batch.button;
    isLoading = false;
    return loadIfNeeded();
  }

  function loadIfNeeded() {
    if (next !== "" && !isLoading && more.hidden && isNearEnd()) load();
  }

  more.addEventListener("click", () => {
    more.hidden = true;
    load();
  });
  window.addEventListener("scroll", loadIfNeeded, { passive: true });
  window.addEventListener("resize", loadIfNeeded);
  loadIfNeeded();
}

function startLinks() {
  const link = (event) => {
    const card = event.target.closest?.("[data-ved]");
    const anchor = card?.querySelector("a[role=button]");
    if (!anchor || anchor.href) return;
    const shown = unseal(card);
    if (!shown.link) return;
    const query = new URLSearchParams({
      imgurl: shown.image, tbnid: card.dataset.docid || card.dataset.tbnid,
      imgrefurl: shown.page, w: shown.width, h: shown.height,
    });
    anchor.href = `/imgres?${query}`;
  };
  document.addEventListener("mouseover", link);
  document.addEventListener("mousedown", link);
}

function startPanel() {
  const panel = document.getElementById("Sva75c");
  const holder = panel.querySelector("a.YsLeY");

  function show(card) {
    const shown = unseal(card);
    const thumbnail = card.querySelector("img");
    const image = document.createElement("img");
    image.className = "sFlh5c FyHeAf";
    image.setAttribute("jsname", "JuXqh");
    image.alt = shown.title;
    image.src = thumbnail.src;
    image.style.cssText = `max-width:${shown.width}px;aspect-ratio:${shown.width}/${shown.height}`;
    holder.replaceChildren(image);
    holder.href = panel.querySelector(".visit").href = shown.page;
    panel.querySelector(".panel-site").textContent = shown.site;
    panel.querySelector(".panel-title").textContent = shown.title;
    panel.querySelector(".panel-size").textContent = `${shown.width} × ${shown.height}`;
    panel.hidden = false;
    document.body.classList.add("with-panel");
    setTimeout(() => swap(image, shown.image), SWAP_MS);
  }

  // The thumbnail stays where the full image cannot be had.
  function swap(image, source) {
    const full = new Image();
    full.onload = () => {
      image.src = source;
      image.classList.add("iPVvYb");
      image.setAttribute("jsname", "kn3ccd");
    };
    full.src = source;
  }

  function hide() {
    panel.hidden = true;
    document.body.classList.remove("with-panel");
  }

  document.addEventListener("click", (event) => {
    const anchor = event.target.closest?.("a[role=button]");
    if (anchor) {
      event.preventDefault();
      show(anchor.closest("[data-ved]"));
    }
  });
  panel.querySelector(".close").addEventListener("click", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

function startConsent() {
  const overlay = document.getElementById("CXQnmb");
  for (const button of overlay?.querySelectorAll("button") ?? []) {
    button.addEventListener("click", async () => {
      const body = new URLSearchParams({ set_eom: String(button.id === "W0wltc") });
      await fetch("/consent/save", { method: "POST", body, redirect: "manual" });
      overlay.remove();
    });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const start of [startConsent, startLinks, startPanel, startResults]) start();
});
