package hunt

import (
	"bytes"
	"encoding/json"
)

// ECSVersion is the version of the Elastic Common Schema that documents follow; so-config's tests hold their fields to it.
const ECSVersion = "8.17.0"

// ECS names the schema of a document.
type ECS struct {
	Version string `json:"version"`
}

// DataStream repeats the name of the data stream that holds a document, as Elastic's own agents write it.
type DataStream struct {
	Type      string `json:"type"`
	Dataset   string `json:"dataset"`
	Namespace string `json:"namespace"`
}

// Schema is what every stored document begins with.
type Schema struct {
	ECS        ECS        `json:"ecs"`
	DataStream DataStream `json:"data_stream"`
}

// SchemaOf gives the schema of the documents of a dataset. The namespace so is Security Onion's.
func SchemaOf(dataset string) Schema {
	return Schema{ECS: ECS{Version: ECSVersion}, DataStream: DataStream{Type: "logs", Dataset: dataset, Namespace: "so"}}
}

// full gives a list that is not nil, which JSON writes as [] and not as null.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// marshal encodes without HTML's escapes: a pair reads 10.1.4.22>203.0.113.7.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
