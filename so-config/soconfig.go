// Package soconfig has the files that dwell installs elsewhere: Elasticsearch templates, roles and policies; queries
// for Security Onion's console; Kibana dashboards; systemd units; a Salt state; a sample configuration.
//
// # Templates
//
// Every field of a finding, an alert and a hunt has an explicit mapping; a test walks the structs of internal/hunt to
// check that. Otherwise Elasticsearch would map a score that happens to be 1 as long, and 0.87 would become 0.
//
// Mappings are "dynamic: false", not strict: an unmapped field, for example from a newer dwell, is stored and shown but
// not indexed, and the finding is not lost. Only event is "dynamic: true", because Security Onion writes and searches
// fields there when an analyst acknowledges or escalates.
//
// Fields that Security Onion has too get its types, including the "keyword" subfields of addresses, ports and names,
// which its saved searches use.
//
// The priority is 510: above Security Onion's templates (500 and 501), its catch-all (1) and Elastic's (100, 200). One
// shard and no replica are Security Onion's defaults; an administrator's component template dwell@custom overrides
// them. The component template dwell-lifecycle exists only if the cluster has lifecycle policies.
package soconfig

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// The data streams that dwell writes. Names have letters, dots and underscores only: Security Onion's disk cleaner
// cannot parse others (docs/design.md, 5.3).
const (
	FindingStream     = "logs-dwell.finding-so"
	HuntStream        = "logs-dwell.hunt-so"
	AlertStream       = "logs-dwell.alert-so"
	DispositionStream = "logs-dwell.disposition-so"
)

// ManagedBy marks dwell's objects in _meta.
const ManagedBy = "dwell"

// Kind is the type of an object in Elasticsearch.
type Kind string

// The kinds, for display.
const (
	ComponentTemplate Kind = "component template"
	IndexTemplate     Kind = "index template"
	Role              Kind = "role"
	LifecyclePolicy   Kind = "lifecycle policy"
)

// Object is one object to install in a cluster.
type Object struct {
	Kind Kind
	// Name is the object's name in the cluster and of its file.
	Name string
	// File is the path under so-config.
	File string
	// Version is the version in _meta (of a role: metadata; of a policy: policy._meta).
	Version int
	// Body is the JSON to send.
	Body []byte
}

//go:embed README.md elasticsearch kibana/*.ndjson dwell systemd salt soc
var files embed.FS

// directories are read in this order: index templates need their components.
func directories() []struct {
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

// Templates returns the component templates, then the index templates, each sorted by name.
func Templates() ([]Object, error) {
	var out []Object
	for _, f := range directories() {
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

// lifecycleComponent is the component template with the retention, in whichever form the cluster supports.
const lifecycleComponent = "dwell-lifecycle"

// Lifecycle returns the lifecycle policy and the component template that assigns it, for clusters with lifecycle
// management. The index templates tolerate a missing component.
func Lifecycle() (policy, component Object, err error) {
	if policy, err = read(LifecyclePolicy, "elasticsearch/lifecycle/dwell.json"); err != nil {
		return policy, component, err
	}
	component, err = read(ComponentTemplate, "elasticsearch/lifecycle/"+lifecycleComponent+".json")
	return policy, component, err
}

// Retention returns the component template of the same name for clusters with data stream lifecycles only.
func Retention() (Object, error) {
	o, err := read(ComponentTemplate, "elasticsearch/lifecycle/dwell-retention.json")
	o.Name = lifecycleComponent
	return o, err
}

// HuntRole returns the role with exactly dwell's privileges: view the cluster and index templates, read Zeek's
// connections, read and write dwell's streams, delete nothing. The same JSON is the role descriptor of an API key.
func HuntRole() (Object, error) { return read(Role, "elasticsearch/role/dwell.json") }

// AnalystRole returns the analysts' role: read what dwell reads and found, and record dispositions. It cannot write
// hunts.
func AnalystRole() (Object, error) { return read(Role, "elasticsearch/role/dwell-analyst.json") }

// alertStreams are Security Onion's streams of other tools' alerts, which dwell counts per host.
func alertStreams() []string {
	return []string{"logs-suricata.alerts-so", "logs-suricata-so", "logs-detections.alerts-so"}
}

// WithAlerts returns a role that may also read other tools' alerts.
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

// read returns one embedded object, and checks that it has a version and is marked as dwell's.
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
