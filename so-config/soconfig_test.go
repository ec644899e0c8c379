package soconfig

import (
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// field is a mapping in a template.
type field struct {
	Type        string           `json:"type"`
	IgnoreAbove int              `json:"ignore_above"`
	Index       *bool            `json:"index"`
	Dynamic     any              `json:"dynamic"`
	Properties  map[string]field `json:"properties"`
	Fields      map[string]field `json:"fields"`
}

type template struct {
	IndexPatterns []string        `json:"index_patterns"`
	DataStream    json.RawMessage `json:"data_stream"`
	Priority      int             `json:"priority"`
	ComposedOf    []string        `json:"composed_of"`
	IgnoreMissing []string        `json:"ignore_missing_component_templates"`
	Version       int             `json:"version"`
	Template      struct {
		Settings map[string]any `json:"settings"`
		Mappings *struct {
			field
			DateDetection *bool `json:"date_detection"`
			Meta          struct {
				ManagedBy string `json:"managed_by"`
				Version   int    `json:"version"`
			} `json:"_meta"`
		} `json:"mappings"`
	} `json:"template"`
}

// byName returns every template, decoded strictly so that a misspelled key is an error.
func byName(t *testing.T) map[string]template {
	t.Helper()
	objects, err := Templates()
	require.NoError(t, err)
	out := map[string]template{}
	for _, o := range objects {
		var tpl template
		require.NoError(t, json.Unmarshal(o.Body, &tpl), o.File)
		require.Equal(t, o.Version, tpl.Version, "%s: version and _meta.version", o.File)
		require.NotContains(t, out, o.Name, "component and index templates share no name in the files")
		out[string(o.Kind)+" "+o.Name] = tpl
	}
	return out
}

// leaves flattens a mapping to path -> type.
func leaves(prefix string, props map[string]field, into map[string]field) {
	for name, f := range props {
		if f.Properties != nil {
			leaves(prefix+name+".", f.Properties, into)
			continue
		}
		into[prefix+name] = f
	}
}

// want walks a struct by its JSON tags and returns the type that each leaf must have.
func want(t *testing.T, prefix string, typ reflect.Type, into map[string]string) {
	t.Helper()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			want(t, prefix, f.Type, into)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		require.NotEmpty(t, name, "%s.%s has no JSON name", typ, f.Name)
		ft := f.Type
		for ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		path := prefix + name
		switch {
		case ft == reflect.TypeFor[hunt.Time]():
			into[path] = "date"
		case ft == reflect.TypeFor[netip.Addr](), ft == reflect.TypeFor[netip.Prefix]():
			into[path] = "ip"
		case path == "dwell.safelist.expires":
			into[path] = "date"
		case ft.Kind() == reflect.Struct:
			want(t, path+".", ft, into)
		case ft.Kind() == reflect.String:
			into[path] = "keyword"
		case ft.Kind() == reflect.Bool:
			into[path] = "boolean"
		case ft.Kind() == reflect.Float64:
			into[path] = "double"
		case ft.Kind() == reflect.Int, ft.Kind() == reflect.Int64:
			into[path] = "long"
		default:
			require.Failf(t, "no rule", "%s is a %s: say here what it is mapped to", path, ft)
		}
	}
}

func TestEveryFieldHasItsMapping(t *testing.T) {
	// Security Onion writes these into dwell's documents (docs/facts/security-onion.md, 2.5 rule 8).
	foreign := map[string]string{"event.acknowledged": "boolean", "event.acknowledged_timestamp": "keyword", "event.acknowledged_elapsed_seconds": "long",
		"event.escalated": "boolean", "event.escalated_timestamp": "keyword", "event.escalated_elapsed_seconds": "long"}
	for _, c := range []struct {
		component string
		document  reflect.Type
		foreign   map[string]string
	}{
		{component: "dwell-finding", document: reflect.TypeFor[hunt.Finding](), foreign: foreign},
		{component: "dwell-hunt", document: reflect.TypeFor[hunt.Document]()},
		{component: "dwell-disposition", document: reflect.TypeFor[hunt.Disposition]()},
		{component: "dwell-alert", document: reflect.TypeFor[hunt.AlertFields](), foreign: map[string]string{"message": "text"}},
	} {
		t.Run(c.component, func(t *testing.T) {
			m := byName(t)[string(ComponentTemplate)+" "+c.component].Template.Mappings
			require.NotNil(t, m)
			expected := map[string]string{}
			want(t, "", c.document, expected)
			maps.Copy(expected, c.foreign)
			mapped := map[string]field{}
			leaves("", m.Properties, mapped)
			types := map[string]string{}
			for path, f := range mapped {
				types[path] = f.Type
			}
			require.Empty(t, cmp.Diff(expected, types), "- is what the structs want, + what the template has")
			for path, f := range mapped {
				if f.Type != "keyword" || f.Index != nil && !*f.Index {
					continue
				}
				// 8191 characters of four bytes are Lucene's limit of 32,766 bytes; a longer term makes a document
				// fail.
				require.True(t, f.IgnoreAbove >= 256 && f.IgnoreAbove <= 8191, "%s has ignore_above %d", path, f.IgnoreAbove)
			}
			require.Equal(t, false, m.Dynamic, "a surprise must not change the mapping")
			require.NotNil(t, m.DateDetection)
			require.False(t, *m.DateDetection)
			require.Equal(t, ManagedBy, m.Meta.ManagedBy, "a writer recognizes our streams by this")
		})
	}
}

// The keyword subfields are those of Security Onion's own mapping (docs/facts/security-onion.md 1.3).
func TestTwins(t *testing.T) {
	m := byName(t)[string(ComponentTemplate)+" dwell-finding"].Template.Mappings
	mapped := map[string]field{}
	leaves("", m.Properties, mapped)
	for _, path := range []string{"source.ip", "source.port", "destination.ip", "destination.port", "network.transport", "network.protocol"} {
		require.Equal(t, "keyword", mapped[path].Fields["keyword"].Type, path)
	}
	require.Equal(t, true, m.Properties["event"].Dynamic, "Security Onion writes into event and searches there")
}

func TestIndexTemplates(t *testing.T) {
	all := byName(t)
	var patterns []string
	// Security Onion's disk cleaner parses names with this expression (docs/facts/security-onion.md, 2.3).
	cleaner := regexp.MustCompile(`^logs-[a-zA-Z_.]+-[a-zA-Z_.]+$`)
	for name, tpl := range all {
		if !strings.HasPrefix(name, string(IndexTemplate)) {
			continue
		}
		require.Len(t, tpl.IndexPatterns, 1, name)
		patterns = append(patterns, tpl.IndexPatterns[0])
		require.Regexp(t, cleaner, tpl.IndexPatterns[0])
		if tpl.IndexPatterns[0] == DispositionStream {
			require.Empty(t, tpl.DataStream, "Security Onion's disk cleaner deletes the indices of data streams, and decisions must stay")
			require.NotContains(t, tpl.ComposedOf, lifecycleComponent, "no policy deletes decisions")
		} else {
			require.JSONEq(t, "{}", string(tpl.DataStream), name)
		}
		require.Greater(t, tpl.Priority, 501, "Security Onion uses 500 and 501")
		require.Equal(t, "dwell@custom", tpl.ComposedOf[len(tpl.ComposedOf)-1], "the administrator has the last word")
		for _, c := range tpl.ComposedOf {
			if !slices.Contains(tpl.IgnoreMissing, c) {
				require.Contains(t, all, string(ComponentTemplate)+" "+c, "%s is composed of what we ship", name)
			}
		}
	}
	slices.Sort(patterns)
	require.Equal(t, []string{AlertStream, DispositionStream, FindingStream, HuntStream}, patterns)
}

// Roles name indices in full, never delete or manage, and only read what is not dwell's.
func TestRolesGrantNoMore(t *testing.T) {
	type role struct {
		Cluster []string `json:"cluster"`
		Indices []struct {
			Names, Privileges []string
		} `json:"indices"`
	}
	grants := func(o Object) (out map[string][]string) {
		var r role
		require.NoError(t, json.Unmarshal(o.Body, &r))
		require.Equal(t, []string{"monitor"}, r.Cluster)
		out = map[string][]string{}
		for _, in := range r.Indices {
			for _, name := range in.Names {
				require.NotContains(t, name, "*")
				out[name] = append(out[name], in.Privileges...)
			}
		}
		for name, privileges := range out {
			for _, p := range privileges {
				require.NotContains(t, []string{"all", "manage", "delete", "delete_index", "manage_ilm"}, p)
				if !strings.HasPrefix(name, "logs-dwell.") {
					require.Contains(t, []string{"read", "read_cross_cluster", "view_index_metadata"}, p, name)
				}
			}
		}
		return out
	}
	hunts, err := HuntRole()
	require.NoError(t, err)
	own := []string{AlertStream, DispositionStream, FindingStream, HuntStream}
	for _, name := range append(own, "logs-zeek-so", "logs-import-so") {
		require.Contains(t, grants(hunts)[name], "read")
	}
	analyst, err := AnalystRole()
	require.NoError(t, err)
	require.Contains(t, grants(analyst)[DispositionStream], "create_doc")
	require.NotContains(t, grants(analyst)[HuntStream], "create_doc", "an analyst writes no hunt")
	require.NotContains(t, grants(analyst), "logs-suricata.alerts-so")
	with, err := WithAlerts(analyst)
	require.NoError(t, err)
	require.Contains(t, grants(with)["logs-suricata.alerts-so"], "read")
}

func TestLifecycle(t *testing.T) {
	policy, component, err := Lifecycle()
	require.NoError(t, err)
	var c template
	require.NoError(t, json.Unmarshal(component.Body, &c))
	require.Equal(t, map[string]any{"index": map[string]any{"lifecycle": map[string]any{"name": policy.Name}}}, c.Template.Settings)
	for name, tpl := range byName(t) {
		if strings.HasPrefix(name, string(IndexTemplate)) && tpl.IndexPatterns[0] != DispositionStream {
			require.Contains(t, tpl.ComposedOf, component.Name)
			require.Contains(t, tpl.IgnoreMissing, component.Name, "a cluster without lifecycle management does without")
		}
	}
	var p struct {
		Policy struct {
			Phases map[string]struct {
				Actions map[string]any `json:"actions"`
			} `json:"phases"`
		} `json:"policy"`
	}
	require.NoError(t, json.Unmarshal(policy.Body, &p))
	rollover, _ := p.Policy.Phases["hot"].Actions["rollover"].(map[string]any)
	require.Equal(t, "1d", rollover["max_age"], "the disk cleaner takes whole indices, the oldest first, and a stream of one index as a whole")
	retention, err := Retention()
	require.NoError(t, err)
	require.Equal(t, component.Name, retention.Name, "the index templates name one component, whichever it is")
	require.Contains(t, p.Policy.Phases["delete"].Actions, "delete")
}
