package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"dwell/integration/load/sodoc"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/internal/securityonion"
)

func TestMain(m *testing.M) { os.Exit(testnode.Main(m)) }

// forEachLine runs a test on every available Elasticsearch line, emptied, in parallel.
func forEachLine(t *testing.T, test func(*testing.T, *es.Client)) {
	t.Helper()
	for _, line := range []testnode.Line{testnode.Line8, testnode.Line9} {
		t.Run(fmt.Sprintf("elasticsearch %d", line), func(t *testing.T) {
			t.Parallel()
			node := testnode.ForTest(t, line)
			node.Exclusive(t)
			c, err := es.New(es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password})
			require.NoError(t, err)
			test(t, c)
		})
	}
}

// write writes a file into the directory, compressed if its name says so.
func write(t *testing.T, dir, name, content string) {
	t.Helper()
	b := []byte(content)
	if strings.HasSuffix(name, ".gz") {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write(b)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		b = packed.Bytes()
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
}

func conn(n int) string {
	return fmt.Sprintf(`{"ts":%d.123456,"uid":"C%017d","id.orig_h":"10.1.1.1","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":443,"proto":"tcp","service":"ssl","duration":3.99,"orig_bytes":100,"resp_bytes":200,"conn_state":"SF","orig_pkts":3,"orig_ip_bytes":220,"resp_pkts":2,"resp_ip_bytes":280}`,
		1795305600+n, n, 1024+n)
}

const dnsTSV = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tquery\tqtype\tanswers\tTTLs\trejected\n" +
	"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tcount\tvector[string]\tvector[interval]\tbool\n" +
	"1795305600.5\tCabc\t10.1.1.1\t5353\t10.1.1.53\t53\tudp\tcdn.evil.example\t1\t203.0.113.7,203.0.113.8\t60.0,60.0\tF\n" +
	"1795305601.5\tCabd\t10.1.1.1\t5353\t10.1.1.53\t53\tudp\t-\t-\t(empty)\t-\tF\n" +
	"1795305602.5\tCabe\t10.1.1.1\n#close\t2026-11-22-00-00-00\n"

func TestEveryLineIsLoadedOrTold(t *testing.T) {
	forEachLine(t, func(t *testing.T, c *es.Client) {
		dir := t.TempDir()
		var b strings.Builder
		for i := range 2500 {
			b.WriteString(conn(i) + "\n")
		}
		// A repeated line is two connections to a sensor; a torn last line is none.
		b.WriteString(conn(7) + "\n\n{\"ts\":1795305600.1,\"uid\":\"Cto")
		write(t, dir, "2026-11-22/conn.00:00:00-01:00:00.log.gz", b.String())
		write(t, dir, "2026-11-22/dns.log", dnsTSV)
		write(t, dir, "2026-11-22/conn-summary.log", "no log")
		write(t, dir, "2026-11-22/strange.log", conn(1)+"\n")
		write(t, dir, "labels.json", "{}")

		r, err := Load(t.Context(), c, Options{Paths: []string{dir}, BulkDocs: 1000})
		require.NoError(t, err)
		require.Equal(t, map[string]int{"conn": 2501, "dns": 2}, r.Documents)
		require.Equal(t, 2, r.Files)
		require.Empty(t, r.Dead)
		require.Len(t, r.Bad, 2)
		require.Equal(t, 1, r.Bad[0].Count)
		require.Contains(t, r.Bad[0].First, "line 2503: conn: ")
		require.Equal(t, 1, r.Bad[1].Count)
		require.Contains(t, r.Bad[1].First, "line 10: ")
		require.Equal(t, []string{filepath.Join(dir, "2026-11-22/strange.log"), filepath.Join(dir, "labels.json")}, r.SkippedFiles)

		n, err := count(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, 2503, n, "an independent count agrees")

		again, err := Load(t.Context(), c, Options{Paths: []string{dir}})
		require.NoError(t, err)
		require.Zero(t, again.Total())
		require.Equal(t, 2503, again.Existing)

		// The index has Security Onion's types: it has whole seconds.
		hits := search(t, c, `{"size":1,"query":{"bool":{"filter":[{"term":{"event.dataset":"zeek.conn"}},{"term":{"source.ip":"10.0.0.0/8"}},{"term":{"log.id.uid":"C00000000000000009"}}]}},"docvalue_fields":["event.duration","@timestamp"]}`)
		require.Len(t, hits, 1)
		require.Equal(t, []any{float64(3)}, hits[0].Fields["event.duration"])
		require.Equal(t, []any{"2026-11-22T00:00:09.123Z"}, hits[0].Fields["@timestamp"])
		hits = search(t, c, `{"query":{"term":{"dns.answers.name":"203.0.113.8"}}}`)
		require.Len(t, hits, 1)
	})
}

type found struct {
	Fields map[string][]any `json:"fields"`
}

func search(t *testing.T, c *es.Client, body string) []found {
	t.Helper()
	var page struct{ Hits []found }
	err := c.Search(t.Context(), es.SearchRequest{Index: []string{securityonion.StreamZeek}, Body: []byte(body)}, func(r es.SearchResult) error {
		return json.Unmarshal(r.Hits, &page)
	})
	require.NoError(t, err)
	return page.Hits
}

func TestARealGridIsLeftAlone(t *testing.T) {
	forEachLine(t, func(t *testing.T, c *es.Client) {
		dir := t.TempDir()
		write(t, dir, "conn.log", conn(1)+"\n")
		require.NoError(t, c.Do(t.Context(), es.Call{Op: "play Security Onion", Request: es.Request{Method: "PUT", Path: "/_index_template/so-zeek",
			Body: sodoc.IndexTemplate(1)}}))
		_, err := Load(t.Context(), c, Options{Paths: []string{dir}})
		require.ErrorIs(t, err, ErrRealGrid)
		n, err := count(t.Context(), c)
		require.NoError(t, err)
		require.Zero(t, n)
		r, err := Load(t.Context(), c, Options{Paths: []string{dir}, Force: true})
		require.NoError(t, err)
		require.Equal(t, 1, r.Total())
	})
}

// The index counts one document fewer than it acknowledged.
func TestACountThatDoesNotAgreeIsAnError(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "conn.log", conn(1)+"\n"+conn(2)+"\n")
	counts := []string{`{"count":5,"_shards":{"total":2,"successful":2}}`, `{"count":6,"_shards":{"total":2,"successful":2}}`}
	fake := &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
		switch {
		case r.Is("/so-zeek"):
			return estest.Error(404, "resource_not_found_exception", "not there")
		case r.Is("/_count"):
			reply := counts[0]
			counts = counts[1:]
			return estest.JSON(reply)
		case r.Is("/_bulk"):
			var items []string
			for s := bufio.NewScanner(bytes.NewReader(r.Body)); s.Scan(); {
				var action struct {
					Create *struct {
						ID string `json:"_id"`
					} `json:"create"`
				}
				if json.Unmarshal(s.Bytes(), &action) == nil && action.Create != nil {
					items = append(items, fmt.Sprintf(`{"create":{"_id":%q,"status":201}}`, action.Create.ID))
				}
			}
			return estest.JSON(`{"items":[` + strings.Join(items, ",") + `]}`)
		}
		return estest.JSON(`{}`)
	}}
	c, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: fake})
	require.NoError(t, err)
	r, err := Load(t.Context(), c, Options{Paths: []string{dir}})
	require.ErrorContains(t, err, "holds 1 documents more than before, but 2 were acknowledged")
	require.Equal(t, 2, r.Total())
}

func TestBadPaths(t *testing.T) {
	for name, c := range map[string]struct{ path, want string }{
		"none there":      {"nothing-here", "no such file"},
		"empty directory": {t.TempDir(), "no Zeek log"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), nil, Options{Paths: []string{c.path}})
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := Load(t.Context(), nil, Options{})
	require.ErrorContains(t, err, "no path")
}

func TestLogNames(t *testing.T) {
	for path, want := range map[string]string{
		"conn.log": "conn", "a/conn.00:00:00-01:00:00.log.gz": "conn", "conn_20261122.log": "conn", "smb_files.log": "smb_files",
		"dns.json": "dns", "conn-summary.log": "", "conn.txt": "", ".conn.log": "", "ssl.log.zst": "ssl",
	} {
		require.Equal(t, want, logName(path), path)
	}
}
