package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// normal is a template in a form common to Elasticsearch and dwell, so that the cluster's can be compared with dwell's.
type normal map[string]any

// normalize parses a template. Elasticsearch nests settings as text, adds defaults to data_stream, and newer versions
// add dates; only what dwell sets is kept.
func normalize(body []byte) (normal, error) {
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	out := normal{}
	for _, key := range []string{"index_patterns", "composed_of", "priority", "version", "_meta", "ignore_missing_component_templates"} {
		if v, ok := in[key]; ok {
			out[key] = v
		}
	}
	if _, ok := in["data_stream"]; ok {
		out["data_stream"] = true
	}
	if t, ok := in["template"].(map[string]any); ok {
		if m, ok := t["mappings"]; ok {
			out["mappings"] = m
		}
		settings := map[string]string{}
		flatten("", t["settings"], settings)
		if len(settings) > 0 {
			out["settings"] = settings
		}
	}
	return out, nil
}

// flatten turns nested settings into dotted ones that start with "index.".
func flatten(prefix string, v any, into map[string]string) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, inner := range v {
			flatten(strings.TrimPrefix(prefix+"."+k, "."), inner, into)
		}
	default:
		if !strings.HasPrefix(prefix, "index.") {
			prefix = "index." + prefix
		}
		into[prefix] = fmt.Sprint(v)
	}
}

func (n normal) equal(o normal) bool { return reflect.DeepEqual(n, o) }

// owner returns managed_by and version from _meta.
func (n normal) owner() (string, int) {
	meta, _ := n["_meta"].(map[string]any)
	by, _ := meta["managed_by"].(string)
	version, _ := meta["version"].(float64)
	return by, int(version)
}
