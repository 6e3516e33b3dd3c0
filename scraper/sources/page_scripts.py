"""What is asked of a results page while it is open in a browser: one script per question.

They look for structure, as the parser does: cards by their attributes, buttons by where
they stand, the full image by what the page tries to load.
"""

from __future__ import annotations

from typing import Final

SCROLL: Final = """
const [isStalled, known, seen, least, wanted] = arguments;
const cardsNow = [...document.querySelectorAll(
  '[data-docid], [data-tbnid], [data-lpage], a[href*="imgurl="]')];
const nameOf = (node) => node.dataset.docid || node.dataset.tbnid || node.dataset.lpage
  || node.getAttribute('href');
const shown = (node) => node.getClientRects().length > 0;
const label = (node) => (node.value || node.textContent || '').trim();
const last = cardsNow[cardsNow.length - 1];
const follows = (node) => last
  && last.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING
  && !last.contains(node);
const aside = 'form[action*="/search"], header, footer, nav, [role=dialog], [role=contentinfo],'
  + ' [data-docid]';
const buttons = [...document.querySelectorAll(
  'input[type=button], input[type=submit], button, [role=button], a:not([href*="start="])')];
const named = buttons.find((node) =>
  /^(show more results|see more anyway|more results)$/i.test(label(node)) && shown(node));
const unnamed = () => buttons.find((node) => node.tagName !== 'A' && shown(node)
  && follows(node) && !node.closest(aside) && !node.dataset.bestiaryPressed);
const images = document.images.length;
const results = new Set(cardsNow.map(nameOf)).size || images;
const isGrowing = results > seen;
const isEnough = known < wanted && results >= wanted;
const isRead = isEnough || results - known >= (isGrowing ? 3 * least : least);
const html = isRead ? document.documentElement.outerHTML : null;
const isScrolled = !isGrowing && (isRead ? results < wanted : results <= known);
if (isScrolled) {
  const more = named || (isStalled ? unnamed() : null);
  if (more) {
    more.dataset.bestiaryPressed = '1';
    more.click();
  }
  window.scrollTo(0, document.documentElement.scrollHeight);
}
return {
  cards: cardsNow.length || images,
  results,
  html,
  isScrolled,
  url: location.href,
  ended: /reached the end/i.test(document.body ? document.body.innerText.slice(-600) : ''),
};
"""
"""Counts the results, takes the page's text where enough of them are new, and asks for more.

That is one call for a step, and in this order: the next request may meet a block, and that takes
the page away. While results still come in, nobody asks for more, nor where there are as many as
are wanted. To ask for more is to press the button for it and to scroll down; where the page is
stalled, any button that follows the results is pressed once: it may say "more" in another
language."""

POINT_AT_BARE_CARDS: Final = """
let pointed = 0;
for (const card of document.querySelectorAll('[data-docid], [data-tbnid]')) {
  const link = card.querySelector('a[role=button]:not([href]), a:not([href])');
  if (!link) continue;
  link.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
  pointed += 1;
}
return pointed;
"""

OPEN_PANEL: Final = """
const [docid, waitMs] = arguments;
const card = ['data-docid', 'data-tbnid', 'data-id', 'id'].map((name) =>
  document.querySelector(`[${name}="${CSS.escape(docid)}"]`)).find(Boolean);
if (!card) return {seen: [], url: location.href};
const seen = [];
const isFull = (address) => /^https?:/.test(address)
  && !/encrypted-tbn|\\.gstatic\\.com|[?&]q=tbn:|favicon/.test(address);
const before = new Set([...document.images].map((image) => image.src));
const note = (address) => {
  const absolute = new URL(address, location.href).href;
  if (isFull(absolute) && !before.has(absolute)) seen.push(absolute);
};
const kind = HTMLImageElement.prototype;
const source = Object.getOwnPropertyDescriptor(kind, 'src');
Object.defineProperty(kind, 'src', {
  ...source, set(value) { note(String(value)); source.set.call(this, value); },
});
const watcher = new MutationObserver((changes) => changes.forEach(({target, addedNodes}) =>
  [target, ...addedNodes].forEach((node) => {
    const inner = node.querySelectorAll ? [node, ...node.querySelectorAll('img')] : [];
    inner.filter((one) => one.tagName === 'IMG' && !one.closest('[data-docid]'))
      .filter((one) => !(Number(one.getAttribute('width')) <= 32 && one.getAttribute('width')))
      .forEach((one) => note(one.src));
  })));
watcher.observe(document.documentElement,
  {subtree: true, childList: true, attributes: true, attributeFilter: ['src']});
const link = card.querySelector('a[role=button], [role=button], a:not([href])') || card;
link.dispatchEvent(new MouseEvent('mousedown', {bubbles: true}));
link.click();
const until = performance.now() + waitMs;
const looked = () => new Promise((resolve) => {
  const look = () => seen.length || performance.now() > until
    ? resolve() : setTimeout(look, 15);
  look();
});
return looked().then(() => {
  watcher.disconnect();
  Object.defineProperty(kind, 'src', source);
  return {seen, url: location.href};
});
"""
"""Clicks a card and waits until the page wants to show something larger than its preview.

The wish is enough: where the browser loads no images, nobody else is asked for anything."""

ANSWER_CONSENT: Final = """
const named = (...selectors) => {
  for (const selector of selectors) {
    const found = [...document.querySelectorAll(selector)].find(
      (node) => node.getClientRects().length > 0);
    if (found) return found;
  }
};
const forms = [...document.forms].filter((form) => form.querySelector('[name=set_eom]'));
const declines = (form) => !form.querySelector('[name=set_sc], [name=set_aps]');
const form = forms.find(declines) || forms[0];
const button = named('#W0wltc', 'button[aria-label*="Reject all" i]')
  || (form && form.querySelector('button, input[type=submit]'))
  || named('#L2AGLb', 'button[aria-label*="Accept all" i]');
if (button) button.click();
else if (form) form.submit();
return Boolean(button || form);
"""
