package zeek

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// benchLogs makes the same connections as TSV and as JSON with all columns that Zeek writes by default. Six in ten are
// outbound, the rest is internal, as on a real network.
func benchLogs(n int) (tsv, json string) {
	r := rand.New(rand.NewPCG(1, 2))
	services := []string{"-", "ssl", "http", "dns", "ssl,http", "-"}
	states := []string{"SF", "S0", "REJ", "RSTO"}
	var t, j strings.Builder
	t.WriteString("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2024-06-01-00-00-00\n" +
		"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n" +
		"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\n")
	for i := range n {
		ts := fmt.Sprintf("%d.%06d", epoch+i*86400/n, r.IntN(1e6))
		uid := fmt.Sprintf("C%017x", r.Uint64()>>4)
		src := fmt.Sprintf("10.%d.%d.%d", r.IntN(4), r.IntN(256), r.IntN(256))
		dst := fmt.Sprintf("10.9.%d.%d", r.IntN(256), r.IntN(256))
		if r.IntN(10) < 6 {
			dst = fmt.Sprintf("%d.%d.%d.%d", 20+r.IntN(80), r.IntN(256), r.IntN(256), r.IntN(256))
		}
		sport, dport := 1024+r.IntN(60000), []int{443, 80, 53, 8080}[r.IntN(4)]
		duration := fmt.Sprintf("%.6f", r.ExpFloat64())
		ob, rb, op, rp := r.IntN(5000), r.IntN(50000), 1+r.IntN(30), 1+r.IntN(40)
		service, state := services[r.IntN(len(services))], states[r.IntN(len(states))]
		fmt.Fprintf(&t, "%s\t%s\t%s\t%d\t%s\t%d\ttcp\t%s\t%s\t%d\t%d\t%s\tT\tF\t0\tShADadFf\t%d\t%d\t%d\t%d\t-\n",
			ts, uid, src, sport, dst, dport, service, duration, ob, rb, state, op, ob+40*op, rp, rb+40*rp)
		svc := ""
		if service != "-" {
			svc = `"service":"` + service + `",`
		}
		fmt.Fprintf(&j, `{"ts":%s,"uid":"%s","id.orig_h":"%s","id.orig_p":%d,"id.resp_h":"%s","id.resp_p":%d,"proto":"tcp",%s"duration":%s,"orig_bytes":%d,"resp_bytes":%d,"conn_state":"%s","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":%d,"orig_ip_bytes":%d,"resp_pkts":%d,"resp_ip_bytes":%d}`+"\n",
			ts, uid, src, sport, dst, dport, svc, duration, ob, rb, state, op, ob+40*op, rp, rb+40*rp)
	}
	return t.String(), j.String()
}

// BenchmarkRead reads a log of 500,000 connections, in one file and in 24, and throws the batches away. The metric
// counts records, in scope or not.
func BenchmarkRead(b *testing.B) {
	const n = 500_000
	tsv, json := benchLogs(n)
	for _, c := range []struct {
		name    string
		content string
		packed  bool
	}{{"tsv", tsv, false}, {"gz", tsv, true}, {"json", json, false}, {"jsongz", json, true}} {
		dir := b.TempDir()
		content := c.content
		name := "conn.log"
		if c.packed {
			content, name = gz(b, content), "conn.log.gz"
		}
		require.NoError(b, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		b.Run(c.name, func(b *testing.B) {
			s := New(Options{Paths: []string{dir}})
			b.ReportAllocs()
			b.SetBytes(int64(len(c.content)))
			for b.Loop() {
				var got atomic.Int64
				reading, err := s.Read(context.Background(), outbound(), func(batch []hunt.Connection) error {
					got.Add(int64(len(batch)))
					return nil
				})
				require.NoError(b, err)
				require.Equal(b, int64(n), reading.Records)
				require.Equal(b, got.Load(), reading.Connections)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "connections/s")
		})
	}
}

// BenchmarkReadNames reads 200,000 requests with the names in them.
func BenchmarkReadNames(b *testing.B) {
	const n = 200_000
	r := rand.New(rand.NewPCG(3, 4))
	var t, j strings.Builder
	t.WriteString(httpTSV)
	for i := range n {
		src, dst := fmt.Sprintf("10.0.%d.%d", r.IntN(4), r.IntN(256)), fmt.Sprintf("203.0.113.%d", r.IntN(256))
		host, uri := fmt.Sprintf("www%d.example.com", r.IntN(5000)), fmt.Sprintf("/path/to/%x?id=%d", r.Uint64(), i)
		fmt.Fprintf(&t, "%d.%06d\tC%017x\t%s\t%d\t%s\t80\t1\tGET\t%s\t%s\t-\tMozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36\t0\t%d\t200\t-\ttext/html\n",
			epoch+i, i, r.Uint64()>>4, src, 1024+r.IntN(60000), dst, host, uri, r.IntN(99999))
		fmt.Fprintf(&j, `{"ts":%d.%06d,"uid":"C%017x","id.orig_h":"%s","id.orig_p":%d,"id.resp_h":"%s","id.resp_p":80,"trans_depth":1,"method":"GET","host":"%s","uri":"%s","version":"1.1","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36","request_body_len":0,"response_body_len":%d,"status_code":200,"status_msg":"OK","tags":[],"resp_fuids":["F%x"],"resp_mime_types":["text/html"]}`+"\n",
			epoch+i, i, r.Uint64()>>4, src, 1024+r.IntN(60000), dst, host, uri, r.IntN(99999), r.Uint64())
	}
	for name, content := range map[string]string{"tsv": t.String(), "json": j.String()} {
		path := filepath.Join(b.TempDir(), "http.log")
		require.NoError(b, os.WriteFile(path, []byte(content), 0o600))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, err := New(Options{Paths: []string{path}}).ReadNames(context.Background(), outbound(), func([]hunt.NameRecord) error { return nil })
				require.NoError(b, err)
				require.Equal(b, int64(n), out.Connections)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
