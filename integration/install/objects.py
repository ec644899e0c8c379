"""objects.py FILE [fields]: what Kibana's server and Lens (8.14 to 9.x) demand of saved objects, and with "fields" whether the real
Elasticsearch has every field that a panel, a search or a query of them names (_field_caps of the data view, before any hunt)."""
import json
import os
import re
import ssl
import sys
import urllib.request

TOP = {"id", "type", "attributes", "references", "coreMigrationVersion", "typeMigrationVersion", "managed"}
S, N, B, L, O = str, (int, float), bool, list, dict
ATTRIBUTES = {
    "dashboard": dict(title=S, description=S, version=N, hits=N, timeRestore=B, timeFrom=S, timeTo=S, optionsJSON=S, panelsJSON=S,
                      kibanaSavedObjectMeta=O, refreshInterval=O, controlGroupInput=O),
    "search": dict(title=S, description=S, columns=L, sort=L, grid=O, hideChart=B, kibanaSavedObjectMeta=O, rowHeight=N, rowsPerPage=N,
                   sampleSize=N, viewMode=S, timeRestore=B, isTextBasedQuery=B),
    "index-pattern": dict(title=S, name=S, timeFieldName=S, fieldFormatMap=S, fieldAttrs=S, fields=S, sourceFilters=S, typeMeta=S,
                          runtimeFieldMap=S, allowNoIndex=B, allowHidden=B)}
PANELS = {"lens", "search", "visualization", "markdown"}
# The field types that Lens operations accept.
OPERATIONS = {"unique_count": None, "terms": None, "count": None, "last_value": None, "filters": None, "date_histogram": {"date"},
              "max": {"date", "long", "double"}, "min": {"date", "long", "double"}, "average": {"long", "double"},
              "sum": {"long", "double"}, "median": {"long", "double"}}


def check(objs, caps=None):
    """The faults of a list of saved objects; caps has the "fields" of _field_caps by data view id, or is None."""
    wrong = []

    def say(*words):
        wrong.append(" ".join(map(str, words)))

    views = [o["id"] for o in objs if o["type"] == "index-pattern"]

    def field(where, name, types=None, view=None):
        if caps is None or name in ("___records___", "_id", "_source", ""):
            return
        have = {t for t in caps[view or views[0]].get(name, {}) if t != "unmapped"}
        if not have:
            say(where, "field is not in the data view:", name)
        elif len(have) > 1:
            say(where, "field has several types:", name, sorted(have))
        elif types and not have & types:
            say(where, "field has a type that the operation does not take:", name, sorted(have))

    def query(where, text, view=None):
        for name in re.findall(r"([@\w.]+)\s*(?::|>=|<=|>|<)", re.sub(r'"[^"]*"', "", text or "")):
            field(where, name, None, view)

    ids = [(o["type"], o["id"]) for o in objs]
    for twice in {i for i in ids if ids.count(i) > 1}:
        say("twice:", twice)
    for o in objs:
        where = o["type"] + ":" + o["id"]
        if set(o) - TOP:
            say(where, "top-level keys", set(o) - TOP)
        for k, v in o["attributes"].items():
            t = ATTRIBUTES[o["type"]].get(k)
            if t is None:
                say(where, "unknown attribute", k)
            elif not isinstance(v, t) or isinstance(v, bool) and t is N:
                say(where, k, "is", type(v).__name__)
        for r in o["references"]:
            if (r["type"], r["id"]) not in ids:
                say(where, "dangling reference", r)
        source = json.loads(o["attributes"].get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}"))
        view = o["id"] if o["type"] == "index-pattern" else next((r["id"] for r in o["references"] if r["type"] == "index-pattern" and o["type"] == "search"), None)
        query(where, source.get("query", {}).get("query"), view)
        if o["type"] == "index-pattern":
            field(where, o["attributes"]["timeFieldName"], {"date"}, view)
            for name in json.loads(o["attributes"].get("fieldFormatMap", "{}")):
                field(where, name, None, view)
        if o["type"] == "search":
            for name in o["attributes"]["columns"] + [s[0] for s in o["attributes"]["sort"]]:
                field(where, name, None, view)
        if o["type"] == "dashboard":
            for p in json.loads(o["attributes"]["panelsJSON"]):
                panel(o, where, p, say, field, query)
    return wrong


def panel(o, where, p, say, field, query):
    """Checks one panel of a dashboard."""
    i, c, g = p["panelIndex"], p["embeddableConfig"], p["gridData"]
    where += " " + i + " " + str(p.get("title", ""))
    names = {r["name"] for r in o["references"]}
    if p["type"] not in PANELS:
        say(where, "type", p["type"])
    if g["i"] != i or g["x"] < 0 or g["x"] + g["w"] > 48:
        say(where, "grid", g)
    for e in c.get("enhancements", {}).get("dynamicActions", {}).get("events", []):
        if f"{i}:drilldown:{e['action']['factoryId']}:{e['eventId']}:dashboardId" not in names:
            say(where, "drilldown without a reference", e["eventId"])
        if e["triggers"] != ["FILTER_TRIGGER"]:
            say(where, "trigger", e["triggers"])
    if p["type"] == "search" and f"{i}:{p['panelRefName']}" not in names:
        say(where, "no reference for", p["panelRefName"])
    if p["type"] != "lens":
        return
    a = c["attributes"]
    state = a["state"]
    view = next((r["id"] for r in a["references"] if r["type"] == "index-pattern"), None)
    query(where, state.get("query", {}).get("query"), view)
    if "formBased" not in state["datasourceStates"]:
        return say(where, "datasource")
    v = state["visualization"]
    for layer_id, layer in state["datasourceStates"]["formBased"]["layers"].items():
        name = "indexpattern-datasource-layer-" + layer_id
        if f"{i}:{name}" not in names or name not in {r["name"] for r in a["references"]}:
            say(where, "no layer reference", name)
        columns = layer["columns"]
        if sorted(layer["columnOrder"]) != sorted(columns):
            say(where, "columnOrder")
        for cid, col in columns.items():
            if col["operationType"] not in OPERATIONS:
                say(where, cid, "operation", col["operationType"])
                continue
            field(where, col.get("sourceField", ""), OPERATIONS[col["operationType"]], view)
            query(where, (col.get("filter") or {}).get("query"), view)
            by = col.get("params", {}).get("orderBy", {})
            if by.get("type") == "column" and by["columnId"] not in columns:
                say(where, cid, "orderBy", by)
        for x in v.get("layers", [v]):
            if x["layerId"] != layer_id or x["layerType"] != "data":
                say(where, "layer of the visualization", x["layerId"])
            used = set(shown(a["visualizationType"], x))
            if used - set(columns):
                say(where, "columns that are not there", used - set(columns))
            if set(columns) - used:
                say(where, "columns never shown", set(columns) - used)


def shown(kind, x):
    """The columns that a visualization shows."""
    if kind == "lnsMetric":
        return [c for c in (x.get("metricAccessor"), x.get("secondaryMetricAccessor"), x.get("breakdownByAccessor")) if c]
    if kind == "lnsDatatable":
        return [c["columnId"] for c in x["columns"]]
    if kind == "lnsPie":
        return x.get("primaryGroups", []) + x.get("metrics", [])
    return [x["xAccessor"], *x["accessors"], *([x["splitAccessor"]] if "splitAccessor" in x else [])]


def ask(path, body=None):
    """An answer from the test node's Elasticsearch, as JSON."""
    url = os.environ["DWELL_TEST_ELASTICSEARCH_URL"]
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    with open("/root/so_elastic", encoding="utf-8") as f:
        passwords.add_password(None, url, os.environ["DWELL_TEST_ELASTICSEARCH_USERNAME"], f.read().strip(), is_authenticated=True)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords),
                                         urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile="/etc/pki/ca.crt")))
    request = urllib.request.Request(url + path, data=json.dumps(body).encode() if body is not None else None, headers={"Content-Type": "application/json"})
    with opener.open(request, timeout=60) as answer:
        return json.load(answer)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        objs = [json.loads(line) for line in f]
    caps = None
    if "fields" in sys.argv[2:]:
        caps = {o["id"]: ask("/%s/_field_caps?fields=*&ignore_unavailable=true&allow_no_indices=true" % o["attributes"]["title"])["fields"]
                for o in objs if o["type"] == "index-pattern"}
    wrong = check(objs, caps)
    print("\n".join(wrong) or "%d objects, nothing found%s" % (len(objs), "" if caps is None else "; %s fields there before the first hunt" % [len(f) for f in caps.values()]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
