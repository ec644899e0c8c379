// Package soconfig holds what dwell installs in other systems: Elasticsearch templates, roles and policies; queries
// for Security Onion's console; Kibana dashboards; systemd units; a Salt state; a sample configuration.
//
// # What the templates promise
//
// Every field of a finding, an alert and a hunt has an explicit mapping; a test walks the structs of internal/hunt and
// demands it. Elasticsearch would otherwise make a long of the first score that happens to be 1, and 0.87 would become 0.
//
// Mappings are "dynamic: false", not strict: a field that we forgot, or that a newer dwell writes into an older
// template, is stored and shown but not indexed, and the finding is not lost. The one exception is event, which is
// "dynamic: true", since Security Onion writes there when an analyst acknowledges or escalates, and searches for it.
//
// Fields that Security Onion has too bear its types, down to the "keyword" twin under addresses, ports and names, for
// its own saved searches ask for those.
//
// Priority is 510: above Security Onion's own templates (500 and 501), far above its catch-all (1) and Elastic's (100, 200).
// One shard and no replica are Security Onion's defaults; a component template named dwell@custom, if somebody makes it,
// is laid over ours. The component template dwell-lifecycle is there only where the cluster has lifecycle policies.
package soconfig

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// The data streams that dwell writes. Letters, dots and underscores only: Security Onion's disk cleaner cannot read
// other names (docs/design.md, 5.3).
const (
	FindingStream     = "logs-dwell.finding-so"
	HuntStream        = "logs-dwell.hunt-so"
	AlertStream       = "logs-dwell.alert-so"
	DispositionStream = "logs-dwell.disposition-so"
)

// ManagedBy marks in _meta what is ours.
const ManagedBy = "dwell"

// Kind is what an object is to Elasticsearch.
type Kind string

// The kinds, as people say them.
const (
	ComponentTemplate Kind = "component template"
	IndexTemplate     Kind = "index template"
	Role              Kind = "role"
	LifecyclePolicy   Kind = "lifecycle policy"
)

// Object is one thing to put into a cluster.
type Object struct {
	Kind Kind
	// Name is the object's name in the cluster, which is its file's name.
	Name string
	// File is the path below so-config.
	File string
	// Version is what _meta (of a role: metadata; of a policy: policy._meta) says.
	Version int
	// Body is the JSON to send.
	Body []byte
}

//go:embed README.md elasticsearch kibana/*.ndjson dwell systemd salt soc
var files embed.FS

// directories are read in this order: index templates need their components.
func folders() []struct {
	kind Kind
	dir  string
} {
	return []struct {
		kind Kind
		dir  string
	}{
		{ComponentTemplate, "elasticsearch/component"},
		{IndexTemplate, "elasticsearch/index"},
	}
}

// Templates gives the component templates and then the index templates, each kind by name.
func Templates() ([]Object, error) {
	var out []Object
	for _, f := range folders() {
		entries, err := files.ReadDir(f.dir)
		if err != nil {
			return nil, fmt.Errorf("read so-config: %w", err)
		}
		for _, e := range entries {
			o, err := read(f.kind, path.Join(f.dir, e.Name()))
			if err != nil {
				return nil, err
			}
			out = append(out, o)
		}
	}
	return out, nil
}

// lifecycleComponent is the component template that says how long things are kept, whatever the cluster has for that.
const lifecycleComponent = "dwell-lifecycle"

// Lifecycle gives the lifecycle policy and the component template that ties our streams to it, for clusters that have
// lifecycle management. The index templates name that component and do without where it is missing.
func Lifecycle() (policy, component Object, err error) {
	if policy, err = read(LifecyclePolicy, "elasticsearch/lifecycle/dwell.json"); err != nil {
		return policy, component, err
	}
	component, err = read(ComponentTemplate, "elasticsearch/lifecycle/"+lifecycleComponent+".json")
	return policy, component, err
}

// Retention gives the component template of the same name for clusters that have data stream lifecycles only.
func Retention() (Object, error) {
	o, err := read(ComponentTemplate, "elasticsearch/lifecycle/dwell-retention.json")
	o.Name = lifecycleComponent
	return o, err
}

// HuntRole gives the role that may do what dwell does and nothing else: look at the cluster and at index templates, read
// Zeek's connections, read and write dwell's own streams. It deletes nothing. The same JSON is the role descriptor of an
// API key.
func HuntRole() (Object, error) { return read(Role, "elasticsearch/role/dwell.json") }

// AnalystRole gives the role of people: they read what dwell reads and found, and record dispositions. It writes no hunt.
func AnalystRole() (Object, error) { return read(Role, "elasticsearch/role/dwell-analyst.json") }

// alertStreams are where Security Onion keeps the alerts of others, which dwell counts for each host.
func alertStreams() []string {
	return []string{"logs-suricata.alerts-so", "logs-suricata-so", "logs-detections.alerts-so"}
}

// WithAlerts gives a role that may also read the alerts of others.
func WithAlerts(role Object) (Object, error) {
	var body map[string]any
	if err := json.Unmarshal(role.Body, &body); err != nil {
		return role, fmt.Errorf("read so-config %s: %w", role.File, err)
	}
	indices, _ := body["indices"].([]any)
	body["indices"] = append(indices, map[string]any{"names": alertStreams(), "privileges": []string{"read", "read_cross_cluster", "view_index_metadata"}})
	b, err := json.Marshal(body)
	if err != nil {
		return role, fmt.Errorf("read so-config %s: %w", role.File, err)
	}
	role.Body = b
	return role, nil
}

// read gives one embedded object and checks that it says what version it is and that it is ours.
func read(kind Kind, file string) (Object, error) {
	body, err := files.ReadFile(file)
	if err != nil {
		return Object{}, fmt.Errorf("read so-config: %w", err)
	}
	type meta struct {
		ManagedBy string `json:"managed_by"`
		Version   int    `json:"version"`
	}
	var head struct {
		Meta     meta `json:"_meta"`
		Metadata meta `json:"metadata"`
		Policy   struct {
			Meta meta `json:"_meta"`
		} `json:"policy"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return Object{}, fmt.Errorf("read so-config %s: %w", file, err)
	}
	m := head.Meta
	switch kind {
	case Role:
		m = head.Metadata
	case LifecyclePolicy:
		m = head.Policy.Meta
	case ComponentTemplate, IndexTemplate:
	}
	if m.ManagedBy != ManagedBy || m.Version < 1 {
		return Object{}, fmt.Errorf("read so-config %s: _meta has no managed_by and version", file)
	}
	return Object{Kind: kind, Name: strings.TrimSuffix(path.Base(file), ".json"), File: file, Version: m.Version, Body: body}, nil
}
