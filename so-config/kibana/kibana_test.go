package kibana

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write dwell.ndjson anew")

func lines(t *testing.T) []object {
	t.Helper()
	b, err := NDJSON()
	require.NoError(t, err)
	var out []object
	for line := range bytes.Lines(b) {
		var o object
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&o))
		out = append(out, o)
	}
	return out
}

func TestFileIsWhatTheTableSays(t *testing.T) {
	want, err := NDJSON()
	require.NoError(t, err)
	const path = "dwell.ndjson"
	if *update {
		require.NoError(t, os.WriteFile(path, want, 0o600))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go test ./so-config/kibana -update")
	require.Less(t, len(got), 1<<20, "Kibana's import takes 1 MB without further settings")
}

// Kibana can import the objects: ids are unique and dwell's, and all references resolve, in the objects and in their
// panels.
func TestObjectsHoldTogether(t *testing.T) {
	objects := lines(t)
	known := map[string]bool{}
	for _, o := range objects {
		key := o.Type + " " + o.ID
		require.False(t, known[key], key)
		known[key] = true
		require.True(t, o.ID == DataView || strings.HasPrefix(o.ID, "dwell-"), o.ID)
		require.Equal(t, "8.8.0", o.CoreVersion)
	}
	for _, o := range objects {
		names := map[string]bool{}
		for _, r := range o.References {
			require.True(t, known[r.Type+" "+r.ID], "%s refers to %s %s", o.ID, r.Type, r.ID)
			require.False(t, names[r.Name], "%s: %s twice", o.ID, r.Name)
			names[r.Name] = true
		}
		var meta map[string]string
		if raw, ok := o.Attributes["kibanaSavedObjectMeta"]; ok {
			b, err := json.Marshal(raw)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &meta))
			require.True(t, json.Valid([]byte(meta["searchSourceJSON"])))
		}
		if o.Type != "dashboard" {
			continue
		}
		require.True(t, json.Valid([]byte(o.Attributes["optionsJSON"].(string))))
		for _, p := range panels(t, o) {
			for name := range p.refs() {
				require.True(t, names[p.PanelIndex+":"+name], "%s %s: %s is not among the dashboard's references", o.ID, p.Title, name)
				delete(names, p.PanelIndex+":"+name)
			}
		}
		require.Empty(t, names, "%s: references that no panel uses", o.ID)
	}
}

// lensPanel is a panel as read from the file.
type lensPanel struct {
	Type, Title, PanelIndex, PanelRefName string
	GridData                              struct{ X, Y, W, H int }
	EmbeddableConfig                      struct {
		SavedObjectID string `json:"savedObjectId"`
		Attributes    struct {
			VisualizationType string
			References        []reference
			State             struct {
				Query            struct{ Query, Language string }
				DatasourceStates struct {
					FormBased struct {
						Layers map[string]struct {
							ColumnOrder []string
							Columns     map[string]struct {
								SourceField, OperationType, DataType, Label string
								IsBucketed                                  bool
							}
						}
					}
				}
				Visualization json.RawMessage
			}
		}
		Enhancements struct {
			DynamicActions struct {
				Events []struct {
					EventID  string `json:"eventId"`
					Triggers []string
					Action   struct {
						FactoryID string `json:"factoryId"`
						Config    struct{ UseCurrentFilters, UseCurrentDateRange bool }
					}
				}
			}
		}
	}
}

func (p *lensPanel) refs() map[string]bool {
	out := map[string]bool{}
	for _, r := range p.EmbeddableConfig.Attributes.References {
		out[r.Name] = true
	}
	for _, e := range p.EmbeddableConfig.Enhancements.DynamicActions.Events {
		out["drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:"+e.EventID+":dashboardId"] = true
	}
	if p.PanelRefName != "" {
		out[p.PanelRefName] = true
	}
	return out
}

func panels(t *testing.T, o object) []lensPanel {
	t.Helper()
	var out []lensPanel
	require.NoError(t, json.Unmarshal([]byte(o.Attributes["panelsJSON"].(string)), &out))
	return out
}

// TestSearchesHaveHeadings: no raw field name is a heading.
// The attributes are those that Kibana's own schemas of dashboards and saved searches know, with their types: they
// refuse any other (elastic/kibana 8.x, dashboard_saved_object/schema/v1, saved_search/server/saved_objects/schema.ts).
func TestAttributesAreKibanas(t *testing.T) {
	text, yes, number, object, list := "", true, 0.0, map[string]any{}, []any{}
	known := map[string]map[string]any{
		"dashboard": {"title": text, "description": text, "kibanaSavedObjectMeta": object, "timeRestore": yes, "timeFrom": text, "timeTo": text,
			"panelsJSON": text, "optionsJSON": text, "version": number},
		"search": {"title": text, "description": text, "columns": list, "sort": list, "grid": object, "hideChart": yes, "kibanaSavedObjectMeta": object},
	}
	for _, o := range lines(t) {
		b, err := json.Marshal(o.Attributes)
		require.NoError(t, err)
		var attributes map[string]any
		require.NoError(t, json.Unmarshal(b, &attributes))
		for name, value := range attributes {
			if of := known[o.Type]; of != nil {
				require.Contains(t, of, name, o.ID)
				require.IsType(t, of[name], value, "%s: %s", o.ID, name)
			}
		}
	}
}

func TestSearchesHaveHeadings(t *testing.T) {
	for _, s := range Searches() {
		for _, c := range s.Columns {
			require.NotEmpty(t, Labels[c], "%s: %s", s.ID, c)
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	for _, d := range Dashboards() {
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			require.True(t, p.W > 0 && p.H > 0 && p.X >= 0 && p.X+p.W <= 48, "%s: %s", d.ID, p.Title)
			for x := p.X; x < p.X+p.W; x++ {
				for y := p.Y; y < p.Y+p.H; y++ {
					require.Empty(t, taken[[2]int{x, y}], "%s: %s lies on another panel", d.ID, p.Title)
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// mapped returns the type of every searchable field in the templates, and whether it can be grouped by.
func mapped(t *testing.T) map[string]string {
	t.Helper()
	type node struct {
		Type       string
		Index      *bool
		Properties map[string]json.RawMessage
	}
	out := map[string]string{}
	var walk func(prefix string, props map[string]json.RawMessage)
	walk = func(prefix string, props map[string]json.RawMessage) {
		for name, raw := range props {
			var n node
			require.NoError(t, json.Unmarshal(raw, &n))
			if n.Properties != nil {
				walk(prefix+name+".", n.Properties)
				continue
			}
			out[prefix+name] = n.Type
		}
	}
	files, err := filepath.Glob("../elasticsearch/component/*.json")
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		var c struct{ Template struct{ Mappings node } }
		require.NoError(t, json.Unmarshal(b, &c))
		walk("", c.Template.Mappings.Properties)
	}
	return out
}

// Every field grouped by, computed, filtered or shown has a mapping that allows it.
func TestFieldsAreInTheTemplates(t *testing.T) {
	fields := mapped(t)
	kql := regexp.MustCompile(`([a-z_.@]+)(?:: "| >= )`)
	for _, o := range lines(t) {
		switch o.Type {
		case "dashboard":
			for _, p := range panels(t, o) {
				if p.Type != "lens" {
					continue
				}
				state := p.EmbeddableConfig.Attributes.State
				if strings.Contains(state.Query.Query, `event.dataset: "zeek.`) {
					continue // Zeek's records have no template of dwell's
				}
				require.Contains(t, state.Query.Query, `event.dataset: "dwell.`, "%s: a filter on our documents", p.Title)
				for _, m := range kql.FindAllStringSubmatch(state.Query.Query, -1) {
					require.Contains(t, fields, m[1], p.Title)
				}
				require.Len(t, state.DatasourceStates.FormBased.Layers, 1)
				for _, l := range state.DatasourceStates.FormBased.Layers {
					require.Len(t, l.Columns, len(l.ColumnOrder), p.Title)
					for id, c := range l.Columns {
						require.Contains(t, l.ColumnOrder, id)
						require.Contains(t, string(state.Visualization), `"`+id+`"`, "%s: column %s is drawn", p.Title, id)
						typ := fields[c.SourceField]
						require.NotEmpty(t, typ, "%s: %s", p.Title, c.SourceField)
						allowed := map[string][]string{
							"terms": {"keyword", "ip", "long", "boolean"}, "date_histogram": {"date"}, "unique_count": {"keyword", "ip"},
							"max": {"long", "double", "date"}, "average": {"long", "double"}, "sum": {"long", "double"}, "median": {"long", "double"}, "min": {"long", "double", "date"},
							"last_value": {"keyword", "long", "double"},
						}[c.OperationType]
						require.Contains(t, allowed, typ, "%s: %s of %s", p.Title, c.OperationType, c.SourceField)
						if c.OperationType == "terms" {
							want := map[string]string{"keyword": "string", "ip": "ip", "long": "number", "boolean": "boolean"}[typ]
							require.Equal(t, want, c.DataType, "%s: %s", p.Title, c.SourceField)
						}
					}
				}
			}
		case "search":
			for _, c := range o.Attributes["columns"].([]any) {
				require.Contains(t, fields, c.(string), o.ID)
			}
		case "index-pattern":
			var formats map[string]any
			require.NoError(t, json.Unmarshal([]byte(o.Attributes["fieldFormatMap"].(string)), &formats))
			require.Equal(t, o.ID == DataView, len(formats) > 0)
			for f := range formats {
				require.Contains(t, fields, f)
			}
		}
	}
}

// No legacy visualizations except text panels; documents come from a saved search; each Lens panel is self-contained,
// with references to its own layers.
func TestEveryKindIsLens(t *testing.T) {
	kinds := map[string]int{}
	for _, o := range lines(t) {
		if o.Type != "dashboard" {
			continue
		}
		for _, p := range panels(t, o) {
			switch p.Type {
			case "visualization":
				require.Empty(t, p.PanelRefName, "%s: %s", o.ID, p.Title)
			case "search":
				require.Contains(t, o.References, reference{"dwell-raw", p.PanelIndex + ":" + p.PanelRefName, "search"})
			case "lens":
				lens := p.EmbeddableConfig.Attributes
				require.Empty(t, p.PanelRefName, "%s: %s is not by value", o.ID, p.Title)
				require.Empty(t, p.EmbeddableConfig.SavedObjectID, "%s: %s is not by value", o.ID, p.Title)
				kinds[lens.VisualizationType]++
				layers := lens.State.DatasourceStates.FormBased.Layers
				require.NotEmpty(t, layers)
				require.Len(t, lens.References, len(layers), "%s: %s", o.ID, p.Title)
				for _, r := range lens.References {
					layer, ok := strings.CutPrefix(r.Name, "indexpattern-datasource-layer-")
					require.True(t, ok, r.Name)
					require.Contains(t, layers, layer, "%s: %s", o.ID, p.Title)
					view := DataView
					if strings.Contains(lens.State.Query.Query, "zeek.") {
						view = RawView
					}
					require.Equal(t, reference{view, r.Name, "index-pattern"}, r)
				}
				drawn := regexp.MustCompile(`"layerId":"([^"]+)"`).FindAllSubmatch(lens.State.Visualization, -1)
				require.NotEmpty(t, drawn)
				for _, m := range drawn {
					require.Contains(t, layers, string(m[1]), "%s: %s draws a layer that is not there", o.ID, p.Title)
				}
			default:
				require.Fail(t, "a kind of panel that is not ours", "%s: %s is a %s", o.ID, p.Title, p.Type)
			}
		}
	}
	require.ElementsMatch(t, []string{"lnsDatatable", "lnsMetric", "lnsPie", "lnsXY"}, slices.Collect(maps.Keys(kinds)))
}

// A click on a panel with Drill opens a dashboard in the file, filtered by the clicked value.
func TestDrillsLeadSomewhere(t *testing.T) {
	dashboards := map[string]bool{}
	for _, o := range lines(t) {
		dashboards[o.ID] = o.Type == "dashboard"
	}
	targets := map[string]int{}
	for _, o := range lines(t) {
		if o.Type != "dashboard" {
			continue
		}
		for _, p := range panels(t, o) {
			for _, e := range p.EmbeddableConfig.Enhancements.DynamicActions.Events {
				require.Equal(t, []string{"FILTER_TRIGGER"}, e.Triggers)
				require.Equal(t, "DASHBOARD_TO_DASHBOARD_DRILLDOWN", e.Action.FactoryID)
				require.True(t, e.Action.Config.UseCurrentFilters && e.Action.Config.UseCurrentDateRange)
				name := p.PanelIndex + ":drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:" + e.EventID + ":dashboardId"
				i := slices.IndexFunc(o.References, func(r reference) bool { return r.Name == name })
				require.GreaterOrEqual(t, i, 0, name)
				require.True(t, dashboards[o.References[i].ID], "%s: %s leads to %s", o.ID, p.Title, o.References[i].ID)
				require.NotEqual(t, o.ID, o.References[i].ID)
				targets[o.References[i].ID]++
			}
		}
	}
	require.Positive(t, targets["dwell-pair"])
	require.Positive(t, targets["dwell-host"])
}

// Hourly hunts over a day store a finding repeatedly, so panels never count or sum documents of findings, alerts and
// dispositions. They count findings, or say what else they count.
func TestCountsGoByFinding(t *testing.T) {
	others := map[string]string{"dwell.hunt_id": "Hunts", "dwell.internal_ip": "Hosts", "dwell.subject": "Lines"}
	counted := 0
	for _, o := range lines(t) {
		if o.Type != "dashboard" {
			continue
		}
		for _, p := range panels(t, o) {
			state := p.EmbeddableConfig.Attributes.State
			ofHunts := strings.Contains(state.Query.Query, `event.dataset: "dwell.hunt"`)
			for _, l := range state.DatasourceStates.FormBased.Layers {
				for _, c := range l.Columns {
					where := o.ID + ": " + p.Title
					if strings.Contains(state.Query.Query, `event.dataset: "zeek.`) {
						continue // every Zeek record counts
					}
					require.NotEqual(t, "count", c.OperationType, where)
					if c.OperationType == "sum" {
						require.True(t, ofHunts, "%s adds findings of the same story up", where)
					}
					if c.OperationType != "unique_count" {
						require.NotEqual(t, "Findings", c.Label, where)
						continue
					}
					if label, ok := others[c.SourceField]; ok {
						require.Equal(t, label, c.Label, where)
						counted++
						continue
					}
					require.Equal(t, "dwell.finding_id", c.SourceField, where)
					require.Equal(t, "Findings", c.Label, where)
					require.False(t, ofHunts, "%s: a hunt has no story", where)
					counted++
				}
			}
		}
	}
	require.Greater(t, counted, 15)
}
