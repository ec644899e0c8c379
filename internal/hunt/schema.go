package hunt

import (
	"bytes"
	"encoding/json"
)

// ECSVersion is the Elastic Common Schema version of the documents; so-config's tests check their fields against it.
const ECSVersion = "8.17.0"

// ECS names the schema of a document.
type ECS struct {
	Version string `json:"version"`
}

// DataStream repeats the name of the document's data stream, as Elastic's agents write it.
type DataStream struct {
	Type      string `json:"type"`
	Dataset   string `json:"dataset"`
	Namespace string `json:"namespace"`
}

// Schema starts every stored document.
type Schema struct {
	ECS        ECS        `json:"ecs"`
	DataStream DataStream `json:"data_stream"`
}

// SchemaOf returns the schema of a dataset's documents. The namespace so is Security Onion's.
func SchemaOf(dataset string) Schema {
	return Schema{ECS: ECS{Version: ECSVersion}, DataStream: DataStream{Type: "logs", Dataset: dataset, Namespace: "so"}}
}

// notNil replaces a nil list by an empty one, which JSON encodes as [] instead of null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// marshal encodes without HTML escapes, so that a pair reads 10.1.4.22>203.0.113.7.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
