package store

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/es/dsl"
)

// cluster is a real Elasticsearch, with an administrator's client.
type cluster struct {
	cfg   es.Config
	admin *es.Client
	// secured says that the cluster has users and keys: the 9.x test node has neither.
	secured bool
}

func TestMain(m *testing.M) { os.Exit(testnode.Main(m)) }

// forEachLine runs a test against every line of Elasticsearch that can be had, emptied of what is dwell's, side by
// side.
func forEachLine(t *testing.T, test func(*testing.T, cluster)) {
	t.Helper()
	for _, line := range []testnode.Line{testnode.Line8, testnode.Line9} {
		t.Run(fmt.Sprintf("elasticsearch %d", line), func(t *testing.T) {
			t.Parallel()
			node := testnode.ForTest(t, line)
			node.Exclusive(t)
			cfg := es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password}
			c, err := es.New(cfg)
			require.NoError(t, err)
			test(t, cluster{cfg: cfg, admin: c, secured: cfg.Username != ""})
		})
	}
}

// with makes another client of the same cluster.
func (c cluster) with(t *testing.T, change func(*es.Config)) *es.Client {
	t.Helper()
	cfg := c.cfg
	change(&cfg)
	client, err := es.New(cfg)
	require.NoError(t, err)
	return client
}

// do sends one request as the administrator and demands that it works.
func (c cluster) do(t *testing.T, method, path, body string) json.RawMessage {
	t.Helper()
	var out json.RawMessage
	err := c.admin.Do(t.Context(), es.Call{Op: method + " " + path, Request: es.Request{Method: method, Path: path, Body: []byte(body)},
		Decode: func(b []byte) error {
			out = append(out, b...)
			return nil
		}})
	require.NoError(t, err)
	return out
}

// install puts the templates in.
func (c cluster) install(t *testing.T) {
	t.Helper()
	_, err := NewInstaller(c.admin).Apply(t.Context())
	require.NoError(t, err)
}

// document is one stored document.
type document struct {
	ID     string
	Index  string
	Source string
}

// documents gives all of a stream, by id.
func (c cluster) documents(t *testing.T, stream string, filter ...any) map[string]document {
	t.Helper()
	c.do(t, "POST", "/"+stream+"/_refresh", "")
	out := map[string]document{}
	err := each(t.Context(), New(c.admin, Options{}), dsl.Search{Op: "dump", Index: []string{stream}, Query: dsl.All(filter...), Source: true,
		Sort: []any{dsl.Object{"event.id": dsl.Object{"order": "asc", "unmapped_type": "keyword"}}, dsl.Ascending("@timestamp"),
			dsl.Object{"event.ingested": dsl.Object{"order": "asc", "unmapped_type": "date"}}}}, func(h hit, _ *struct{}) (bool, error) {
		require.NotContains(t, out, h.ID, "the same id in two backing indices")
		out[h.ID] = document{h.ID, h.Index, string(h.Source)}
		return true, nil
	})
	require.NoError(t, err)
	return out
}
