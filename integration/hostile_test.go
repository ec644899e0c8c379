package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/stretchr/testify/require"

	"dwell/integration/load/sodoc"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/evidence"
	"dwell/internal/evidence/host"
	"dwell/internal/evidence/owner"
	"dwell/internal/evidence/protocol"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// One record never spoils the rest: whatever value a field of any log has, the hunt continues, and findings about other
// hosts are unchanged.

// odd is the address of the host with hostile records.
const odd = "10.99.99.99"

// hostile are values that no field expects, as JSON.
func hostile() []string {
	long, _ := json.Marshal(strings.Repeat("x", 20_000))
	return []string{"null", "true", "-1", "70000", "9223372036854775807", "1e300", "-0.5", `""`, `"-"`, `"(empty)"`, `"x"`, `"\u0000\u001b[31m\u202e"`, `"\ud800"`,
		"[]", "{}", "[[]]", `["a","b"]`, "[1,2,3]", `{"a":{"b":[1]}}`, `"1970-01-01T00:00:00Z"`, `"2099-12-31T23:59:59Z"`, string(long)}
}

// records has a record of each log that a simulated day lacks. %d is a Unix time; each uid is unique.
var records = map[string]string{
	"weird":        `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"185.199.0.99","id.resp_p":443,"name":"bad_checksum","addl":"x","notice":false,"peer":"zeek"}`,
	"notice":       `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"185.199.0.99","id.resp_p":443,"note":"SSL::Invalid_Server_Cert","msg":"x","src":"10.99.99.99","dst":"185.199.0.99","p":443,"actions":["Notice::ACTION_LOG"]}`,
	"intel":        `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"185.199.0.99","id.resp_p":443,"seen.indicator":"185.199.0.99","seen.indicator_type":"Intel::ADDR","seen.where":"Conn::IN_RESP","matched":["Intel::ADDR"],"sources":["list"]}`,
	"dhcp":         `{"ts":%d.1,"uids":["C%d"],"client_addr":"10.99.99.99","server_addr":"10.0.0.1","mac":"00:11:22:33:44:55","host_name":"odd","assigned_addr":"10.99.99.99","msg_types":["REQUEST","ACK"]}`,
	"kerberos":     `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"10.0.0.1","id.resp_p":88,"request_type":"TGS","client":"odd/EXAMPLE","service":"x","success":true}`,
	"ntlm":         `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"10.0.0.1","id.resp_p":445,"username":"odd","hostname":"ODD","domainname":"EXAMPLE","server_dns_computer_name":"dc.example","success":true}`,
	"software":     `{"ts":%d.1,"uid":"C%d","host":"10.99.99.99","id.orig_h":"10.99.99.99","software_type":"HTTP::BROWSER","name":"Firefox","unparsed_version":"Firefox/1"}`,
	"capture_loss": `{"ts":%d.1,"uid":"C%d","ts_delta":900.0,"peer":"zeek","gaps":0,"acks":1000,"percent_lost":0.0}`,
	"socks":        `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"10.0.0.9","id.resp_p":1080,"version":5,"status":"succeeded","request.name":"odd.example","request.host":"185.199.0.99","request_p":443}`,
	"quic":         `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"185.199.0.99","id.resp_p":443,"version":"1","client_initial_dcid":"ab","server_name":"odd.example"}`,
	"ssh":          `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.99.99.99","id.orig_p":5000,"id.resp_h":"185.199.0.99","id.resp_p":22,"version":2,"auth_success":true,"client":"x","server":"y"}`,
}

// field replaces a value in a record's text, because the JSON must include what no encoder would write.
func field(t *testing.T, record, key, value string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(record), &fields))
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		v := string(fields[k])
		if k == key {
			v = value
		}
		fmt.Fprintf(&b, `,%q:%s`, k, v)
	}
	return "{" + b.String()[1:] + "}"
}

// oddRecords makes records of another host for each log of a directory: valid ones, and one per hostile value.
func oddRecords(t *testing.T, dir string, labels *simulate.Labels) (good, bad map[string][]string) {
	t.Helper()
	of := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "{") {
				of[strings.TrimSuffix(filepath.Base(path), ".log")] = line
			}
		}
	}
	require.Greater(t, len(of), 4)
	at := labels.Window.Start.Add(2 * time.Hour).Unix()
	for log, format := range records {
		if of[log] == "" {
			of[log] = fmt.Sprintf(format, at, 0)
		}
	}
	good, bad = map[string][]string{}, map[string][]string{}
	n := 0
	for _, log := range slices.Sorted(maps.Keys(of)) {
		record := of[log]
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(record), &fields))
		for key, value := range map[string]string{"id.orig_h": odd, "id.resp_h": "185.199.0.99", "server_name": "odd.example", "host": "odd.example", "query": "a.odd.example",
			"ja3": "0123456789abcdef0123456789abcdef", "ja4": "t13d0000h2_000000000000_000000000000", "user_agent": "odd/1"} {
			if log != "software" || key != "host" {
				record = field(t, record, key, `"`+value+`"`)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			for _, value := range hostile() {
				n++
				own := field(t, field(t, record, "uid", fmt.Sprintf(`"COdd%013d"`, n)), "ts", fmt.Sprintf("%d.25", at+int64(n)))
				good[log] = append(good[log], own)
				bad[log] = append(bad[log], field(t, own, key, value))
			}
		}
	}
	return good, bad
}

// othersFindings are the findings about hosts with valid records: counts, results and conclusions.
func othersFindings(r *pipeline.Result) map[string]string {
	out := map[string]string{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Source.IP.String() != odd && f.Source.IP.String() != "185.199.0.99" && f.Dwell.Score >= 0.2 {
			out[f.Dwell.Pair] = fmt.Sprintf("%d connections, %d bytes, %v %v %.2f %s", f.Network.Connections, f.Network.Bytes, f.Dwell.Severity, f.Dwell.Indicators, f.Dwell.Score, f.Dwell.Explained)
		}
	}
	return out
}

func hostileOptions(labels *simulate.Labels) pipeline.Options {
	o := huntOf(rank.Ranking{Judges: []evidence.Judge{protocol.Judge{}, owner.Judge{Files: owner.Open("", "")}, host.Judge{}}}, labels.Window)
	o.MinScore = 0.2
	return o
}

func TestHostileValuesInFiles(t *testing.T) {
	dir := t.TempDir()
	labels := simulatedAs(t, dir, "testdata/office.yaml", simulate.Format{JSON: true})
	good, bad := oddRecords(t, dir, labels)
	with := func(odd map[string][]string) *pipeline.Result {
		for log, lines := range odd {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "odd_"+log+".log"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
		}
		return run(t, zeek.New(zeek.Options{Paths: []string{dir}}), hostileOptions(labels))
	}
	want := with(good)
	require.Empty(t, want.Reading.Gaps)
	got := with(bad)
	require.NotEmpty(t, othersFindings(want))
	require.Equal(t, othersFindings(want), othersFindings(got))
	for log := range good { // each log reports what was dropped or treated as unset
		if log != "ssh" {
			require.Contains(t, fmt.Sprint(got.Reading.Notes, got.Reading.Gaps), "odd_"+log+".log", log)
		}
	}
}

func TestHostileValuesInElasticsearch(t *testing.T) {
	client := cluster(t, testnode.Line8)
	dir := t.TempDir()
	labels := simulatedAs(t, dir, "testdata/office.yaml", simulate.Format{JSON: true})
	good, _ := oddRecords(t, dir, labels)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "odd"), 0o755))
	for _, log := range sodoc.Convertible() {
		if lines := good[log]; lines != nil {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "odd", log+".log"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
		}
	}
	want := run(t, loaded(t, client, dir), hostileOptions(labels))
	require.Empty(t, want.Reading.Gaps)
	require.NotEmpty(t, othersFindings(want))
	taken, refused := spoilDocuments(t, client)
	t.Logf("%d documents were spoilt, %d values were refused by the mapping", taken, refused)
	require.Greater(t, taken, 300)
	require.Equal(t, othersFindings(want), othersFindings(run(t, sourceOf(t, client), hostileOptions(labels))))
}

// spoilDocuments adds, for each document of the odd host, copies with a hostile value in one field, if the mapping
// accepts it.
func spoilDocuments(t *testing.T, client *es.Client) (taken, refused int) {
	t.Helper()
	var found struct {
		Hits struct {
			Hits []struct {
				Source map[string]any `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	query := fmt.Sprintf(`{"size":10000,"query":{"term":{"source.ip":%q}}}`, odd)
	require.NoError(t, client.Do(t.Context(), es.Call{Op: "find", Request: esapi.SearchRequest{Index: []string{"logs-zeek-so"}, Body: strings.NewReader(query)}, Decode: es.JSON(&found)}))
	var body bytes.Buffer
	values := hostile()
	at := map[string]int{}
	for _, h := range found.Hits.Hits {
		var leaves [][]string
		var walk func(path []string, m map[string]any)
		walk = func(path []string, m map[string]any) {
			for _, k := range slices.Sorted(maps.Keys(m)) {
				own := append(slices.Clone(path), k)
				if inner, ok := m[k].(map[string]any); ok {
					walk(own, inner)
				} else if k != "@timestamp" && k != "dataset" && strings.Join(own, ".") != "source.ip" {
					leaves = append(leaves, own)
				}
			}
		}
		walk(nil, h.Source)
		dataset := fmt.Sprint(h.Source["event"].(map[string]any)["dataset"])
		n := at[dataset]
		at[dataset]++
		path := leaves[n%len(leaves)]
		in := h.Source
		for _, k := range path[:len(path)-1] {
			in = in[k].(map[string]any)
		}
		in[path[len(path)-1]] = json.RawMessage(values[n/len(leaves)%len(values)])
		text, err := json.Marshal(h.Source)
		if err != nil {
			continue // not valid JSON
		}
		fmt.Fprintf(&body, `{"create":{"_index":"logs-zeek-so"}}`+"\n%s\n", text)
	}
	var done struct {
		Items []map[string]struct{ Status int } `json:"items"`
	}
	require.NoError(t, client.Do(t.Context(), es.Call{Op: "spoil", Request: esapi.BulkRequest{Body: &body, Refresh: "true"}, Decode: es.JSON(&done)}))
	for _, i := range done.Items {
		if i["create"].Status < 300 {
			taken++
		} else {
			refused++
		}
	}
	return taken, refused
}
