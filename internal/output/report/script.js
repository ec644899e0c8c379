(() => {
  const at = id => document.getElementById(id), list = at("list"), ranked = [...list.children];
  const known = ranked.map(e => ({ e, sorts: e.dataset.s.split(" ").map(Number), text: "" }));
  const open = () => { const e = at(location.hash.slice(1)); if (e && e.tagName === "DETAILS") { e.hidden = false; e.open = true; e.scrollIntoView(); e.firstElementChild.focus({ preventScroll: true }); } };
  let shown = known;
  function filter() {
    const words = at("q").value.toLowerCase().split(/\s+/).filter(w => w && w !== "-");
    const severities = at("sev").value.split(" ").filter(Boolean), classes = [at("ind").value, at("sta").value].filter(Boolean);
    shown = known.filter(k => {
      if (severities.length && !severities.some(s => k.e.classList.contains(s))) return false;
      if (!classes.every(c => k.e.classList.contains(c))) return false;
      if (words.length && !k.text) k.text = k.e.textContent.toLowerCase();
      return words.every(w => w[0] === "-" ? !k.text.includes(w.slice(1)) : k.text.includes(w));
    });
    const keep = new Set(shown);
    for (const k of known) k.e.hidden = !keep.has(k);
    at("n").textContent = shown.length + " of " + known.length + (known.length === 1 ? " line" : " lines");
    at("none").hidden = shown.length > 0;
  }
  function sort() {
    const by = at("sort").value, n = Math.abs(Number(by)), up = by[0] === "-" ? 1 : -1;
    const order = by === "" ? ranked : [...known].sort((a, b) => up * (a.sorts[n] - b.sorts[n])).map(k => k.e);
    const all = document.createDocumentFragment();
    all.append(...order);
    list.append(all);
  }
  let wait;
  at("q").addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(filter, 120); });
  for (const id of ["sev", "ind", "sta"]) at(id).addEventListener("change", filter);
  at("sort").addEventListener("change", sort);
  at("open").addEventListener("click", () => { for (const k of shown.slice(0, 50)) if (k.e.tagName === "DETAILS") k.e.open = true; });
  at("shut").addEventListener("click", () => { for (const k of known) if (k.e.open) k.e.open = false; });
  at("bar").addEventListener("submit", e => e.preventDefault());
  addEventListener("hashchange", open);
  addEventListener("keydown", e => { if (e.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) { e.preventDefault(); at("q").focus(); } });
  at("bar").hidden = false;
  filter();
  open();
})();
