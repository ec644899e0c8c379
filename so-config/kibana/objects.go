package kibana

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
)

// The versions of the objects' formats.
const (
	coreVersion      = "8.8.0"
	dashboardVersion = "8.7.0"
	viewVersion      = "8.0.0"
)

// object is a saved object, one line of the file.
type object struct {
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	Attributes  map[string]any `json:"attributes"`
	References  []reference    `json:"references"`
	CoreVersion string         `json:"coreMigrationVersion"`
	TypeVersion string         `json:"typeMigrationVersion"`
}

// reference is a reference to another saved object.
type reference struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// NDJSON returns all objects in Kibana's import format: the data views, the saved searches, the dashboards.
func NDJSON() ([]byte, error) {
	var out bytes.Buffer
	e := &encoder{}
	objects := []object{e.view(), rawView()}
	for _, s := range Searches() {
		objects = append(objects, e.search(s))
	}
	for _, d := range Dashboards() {
		objects = append(objects, e.dashboard(d))
	}
	for _, o := range objects {
		b, err := json.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", o.Type, o.ID, err)
		}
		out.Write(b)
		out.WriteByte('\n')
	}
	if e.err != nil {
		return nil, fmt.Errorf("encode Kibana objects: %w", e.err)
	}
	return out.Bytes(), nil
}

// encoder encodes JSON inside JSON, as saved objects require, and keeps the first error.
type encoder struct{ err error }

func (e *encoder) text(v any) string {
	b, err := json.Marshal(v)
	if err != nil && e.err == nil {
		e.err = err
	}
	return string(b)
}

// view is the data view, with the fields' formats.
func (e *encoder) view() object {
	formats := map[string]any{}
	for f, format := range Formats {
		formats[f] = map[Format]any{
			Bytes:    map[string]any{"id": "bytes"},
			Duration: map[string]any{"id": "duration", "params": map[string]any{"inputFormat": "seconds", "outputFormat": "humanizePrecise", "outputPrecision": 1, "useShortSuffix": true}},
			Score:    map[string]any{"id": "number", "params": map[string]any{"pattern": "0.00"}},
		}[format]
	}
	for f, label := range map[string]string{"dwell.links.soc_hunt": "open Hunt", "dwell.links.kibana": "open Discover"} {
		formats[f] = map[string]any{"id": "url", "params": map[string]any{"type": "a", "labelTemplate": label, "openLinkInCurrentTab": false}}
	}
	labels := map[string]any{}
	for f, label := range Labels {
		labels[f] = map[string]string{"customLabel": label}
	}
	return object{ID: DataView, Type: "index-pattern", CoreVersion: coreVersion, TypeVersion: viewVersion, References: []reference{}, Attributes: map[string]any{
		"title": Pattern, "name": "dwell", "timeFieldName": "@timestamp", "fieldFormatMap": e.text(formats),
		"fieldAttrs": e.text(labels), "fields": "[]", "sourceFilters": "[]", "typeMeta": "{}", "runtimeFieldMap": "{}",
		"allowNoIndex": true, // the view must load even before dwell is installed
	}}
}

// rawView is the data view of Zeek's records.
func rawView() object {
	return object{ID: RawView, Type: "index-pattern", CoreVersion: coreVersion, TypeVersion: viewVersion, References: []reference{}, Attributes: map[string]any{
		"title": RawPattern, "name": "dwell: Zeek's records", "timeFieldName": "@timestamp", "fieldFormatMap": "{}",
		"fieldAttrs": "{}", "fields": "[]", "sourceFilters": "[]", "typeMeta": "{}", "runtimeFieldMap": "{}", "allowNoIndex": true,
	}}
}

func (e *encoder) search(s Search) object {
	const index = "kibanaSavedObjectMeta.searchSourceJSON.index"
	return object{ID: s.ID, Type: "search", CoreVersion: coreVersion, TypeVersion: viewVersion,
		References: []reference{{DataView, index, "index-pattern"}},
		Attributes: map[string]any{
			"title": s.Title, "description": s.About, "columns": s.Columns, "sort": [][]string{{"@timestamp", "desc"}}, "grid": map[string]any{}, "hideChart": false,
			"kibanaSavedObjectMeta": map[string]any{"searchSourceJSON": e.text(map[string]any{
				"query": query(kqlTerm("event.dataset", s.Dataset)), "filter": []any{}, "indexRefName": index})},
		}}
}

func query(kql string) map[string]any { return map[string]any{"query": kql, "language": "kuery"} }

func (e *encoder) dashboard(d Dashboard) object {
	var panels []any
	refs := []reference{}
	for i := range d.Panels {
		p := &d.Panels[i]
		id := "p" + strconv.Itoa(i+1)
		panel := map[string]any{"panelIndex": id, "title": p.Title, "gridData": map[string]any{"x": p.X, "y": p.Y, "w": p.W, "h": p.H, "i": id}}
		enhancements := map[string]any{}
		if p.Drill != "" {
			event := uuid(d.ID + id)
			enhancements["dynamicActions"] = map[string]any{"events": []any{map[string]any{
				"eventId": event, "triggers": []string{"FILTER_TRIGGER"},
				"action": map[string]any{"factoryId": "DASHBOARD_TO_DASHBOARD_DRILLDOWN", "name": "Look closer", "config": map[string]any{"useCurrentFilters": true, "useCurrentDateRange": true, "openInNewTab": false}},
			}}}
			refs = append(refs, reference{p.Drill, id + ":drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:" + event + ":dashboardId", "dashboard"})
		}
		switch p.Kind {
		case Text:
			panel["type"] = "visualization"
			panel["embeddableConfig"] = map[string]any{"enhancements": enhancements, "savedVis": map[string]any{
				"title": "", "description": "", "type": "markdown", "uiState": map[string]any{},
				"params": map[string]any{"fontSize": 12, "openLinksInNewTab": false, "markdown": p.Markdown},
				"data":   map[string]any{"aggs": []any{}, "searchSource": map[string]any{"query": query(""), "filter": []any{}}}}}
		case Found:
			name := "panel_" + id
			refs = append(refs, reference{p.Search, id + ":" + name, "search"})
			panel["type"], panel["panelRefName"] = "search", name
			panel["embeddableConfig"] = map[string]any{"enhancements": enhancements}
		case Metric, Bars, Lines, Donut, Table:
			layer := "layer-" + id
			name := "indexpattern-datasource-layer-" + layer
			view := DataView
			if p.Raw {
				view = RawView
			}
			refs = append(refs, reference{view, id + ":" + name, "index-pattern"})
			panel["type"] = "lens"
			panel["embeddableConfig"] = map[string]any{"enhancements": enhancements, "attributes": map[string]any{
				"title": "", "description": "", "type": "lens", "visualizationType": p.visualization(), "references": []reference{{view, name, "index-pattern"}},
				"state": p.state(layer)}}
		}
		panels = append(panels, panel)
	}
	return object{ID: d.ID, Type: "dashboard", CoreVersion: coreVersion, TypeVersion: dashboardVersion, References: refs, Attributes: map[string]any{
		"title": d.Title, "description": d.About, "version": 1, "timeRestore": true, "timeFrom": fmt.Sprintf("now-%dd", d.Days), "timeTo": "now",
		"optionsJSON":           e.text(map[string]any{"useMargins": true, "syncColors": true, "syncCursor": true, "syncTooltips": false, "hidePanelTitles": false}),
		"panelsJSON":            e.text(panels),
		"kibanaSavedObjectMeta": map[string]any{"searchSourceJSON": e.text(map[string]any{"query": query(""), "filter": []any{}})},
	}}
}

// uuid derives a stable UUID from a name.
func uuid(name string) string {
	h := sha256.Sum256([]byte("dwell kibana " + name))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
