package log

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// everyField has a parser read all that there is.
func everyField() *Parser {
	var all []Field
	for f := None + 1; f < fields; f++ {
		all = append(all, f)
	}
	return NewParser(all...)
}

// headerOf takes the # lines of a text.
func headerOf(text string) *Header {
	h := newHeader()
	for l := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(l, "#") {
			h = h.with([]byte(l))
		}
	}
	return h
}

// asked asks a record for everything that it can give and fails when that is nothing a record can have.
func asked(t *testing.T, r *Record) map[Field]string {
	t.Helper()
	require.GreaterOrEqual(t, r.Start, int64(0))
	texts := map[Field]string{}
	for f := None + 1; f < fields; f++ {
		text := r.Text(f)
		if !r.Has(f) {
			require.Nil(t, text)
			require.Zero(t, r.Flag(f))
			continue
		}
		texts[f] = string(text)
		r.Flag(f)
		r.Port(f)
		r.Interval(f)
		require.GreaterOrEqual(t, r.Count(f), int64(hunt.Absent))
		require.GreaterOrEqual(t, r.Time(f), int64(hunt.Absent))
		if a := r.Addr(f); a.IsValid() {
			require.Empty(t, a.Zone())
			require.False(t, a.Is4In6())
		}
		require.Equal(t, texts[f], string(r.Text(f)), "asking changes nothing")
	}
	return texts
}

// FuzzLine reads any line under any header, as TSV, as JSON, wrapped or with a prefix. Nothing may panic; what is
// accepted gives what a record can have, and the same when its texts are written as JSON and read again.
func FuzzLine(f *testing.F) {
	const head = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration"
	f.Add(head, "1717200000.123999\tC1\t10.0.0.1\t1024\t203.0.113.7\t443\ttcp\tssl\t1.5")
	f.Add("#separator \\x7c\n#unset_field|NULL\n#fields|id.resp_h|id.orig_h|ts", "2001:db8::53|::ffff:10.0.0.1|1717200000.123999")
	f.Add("#fields\tts\tid.orig_h\tid.resp_h\ttunnel_parents   label", "1e9\t10.0.0.1\t1.2.3.4\t-   x")
	f.Add("#fields ts uid id.orig_h", "garbage")
	f.Add("#fields\tts\tuid\thost\tanswers", "1\tC1\tx\\x09y,z\\\\\t1.2.3.4")
	const record = `{"ts":1717200000.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1024,"id.resp_h":"203.0.113.7","id.resp_p":443,"proto":"tcp","service":"ssl","conn_state":"SF"}`
	quoted := strings.ReplaceAll(record, `"`, `\"`)
	for _, line := range []string{
		`{"schema":{"fields":[{"field":"ts"}]},"payload":{"ts":1,"id.orig_h":"10.0.0.1","id.resp_h":"1.2.3.4"}}`,
		`{"topic":"zeek","ts":1717200000123,"payload":"{\"ts\":1,\"uid\":\"C1\",\"id.orig_h\":\"10.0.0.1\"}"}`,
		`{"time":"2026-01-01T00:00:00Z","properties":{"_path":"conn","ts":1,"id":{"orig_h":"10.0.0.1"}}}`,
		record, " " + record + ",", "<13>Mar  2 00:00:00 sensor zeek: " + record,
		`{"conn":` + record + `}`, `{"message":"` + quoted + `","@timestamp":"2026-03-02T00:00:00Z"}`, `{"result":{"_raw":"` + quoted + `"}}`,
		`{"log":"` + quoted + `\n","stream":"stdout"}`, `{"_source":{"message":["` + quoted + `"]}}`,
		`{"_source":{"@timestamp":"2026-03-02T00:00:07.15Z","event":{"dataset":"zeek.conn","duration":1.5},"source":{"ip":"10.0.0.1"},"destination":{"ip":"1.2.3.4"}}}`,
		`{"@timestamp":["2026-03-02T00:00:07Z"],"source.ip":["10.9.0.10"],"destination.ip":["203.0.113.50"]}`,
		`{"logEvents":[{"message":"` + quoted + `"},{"message":"` + quoted + `"}]}`, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + record + "," + record + `]}]}]}`,
		`{"ts":"2026-03-02t00:00:07.5z","id.orig_h":"10.0.0.1","id.resp_h":"1.2.3.4"}`, `{"batch":["` + quoted + `","` + quoted + `"`,
		"Mar  2 00:00:00 sensor zeek_ssl[81]: " + `{"ts":1,"uid":"C1","server_name":"a.b"}` + "#012 ", `{"sourcetype":"bro:ssl:json","_raw":"{\"ts\":\"2026-03-02 00:00:07.5+00\",\"uid\":\"C1\"}"}`,
		`{"log":{"file":{"path":"/nsm/zeek/logs/current/quic.log"}},"message":"{\"ts\":1,\"uid\":\"C1\"}"}`,
		`{"index":{"_index":"x"}}`, `{"timestamp":"2026-03-02T00:00:07.1+0000","event_type":"flow","src_ip":"10.0.0.1"}`, `{`,
		`{"ts":"2020-04-30T00:06:38.899710Z","id":{"orig_h":"fe80::1","orig_p":1,"resp_h":"::ffff:1.2.3.4","resp_p":2},"x":{"y":[1,{"z":"}"}]},"uid":"C\u0041"}`,
		`{"ts":1,"id.orig_h":"64:ff9b::1.2.3.4","id.resp_h":"1.2.3.5","host":"\\\"","uri":null,"c":true,"d":[]} `,
		`{"ts":"0","id":{"orig_h":"e::","orig_p":1},"x":{""[{""""}]},"":""}`,
		"1772409607.161401\tCeou2t\t10.9.0.10\t59674\t203.0.113.50\t443\ttcp\tssl\t1.500000\t472\t1800\tSF\tT\tF\t0\tShADadFf\t8\t892\t7\t2168\t-",
	} {
		f.Add("", line)
	}
	f.Fuzz(func(t *testing.T, head, text string) {
		line := clean([]byte(text))
		if len(line) == 0 || line[0] == '#' {
			return
		}
		_ = defaultHeader(line) // Neither must panic.
		_ = nameHeader(line)    // As above.
		spread(line, deepest, new(bytes.Buffer))
		p := everyField()
		why := p.line(line, headerOf(head))
		if why != fine {
			var m map[string]any
			if json.Unmarshal(line, &m) == nil && m != nil {
				require.NotContains(t, []problem{badJSON, tornJSON}, why, "encoding/json reads it")
			}
			return
		}
		texts := asked(t, &p.Record)
		m := map[string]string{}
		for f, v := range texts {
			if f == TS || f == Path || !utf8.ValidString(v) {
				continue
			}
			for name, of := range zeekNames {
				if of == f && name != "id" && !strings.HasPrefix(name, "id_") && !unsetJSON([]byte(`"`+v+`"`)) {
					m[name] = v
				}
			}
		}
		want, start, micros := p.UID, p.Start, p.Micros
		if start >= year5000/1000 {
			return // A date that, written as seconds, would be taken for milliseconds.
		}
		out, err := json.Marshal(m)
		require.NoError(t, err)
		again := everyField()
		out = append([]byte(`{"ts":`+string(appendSeconds(nil, start*1000+micros))+`,`), out[1:]...)
		if len(m) == 0 {
			out = append(out[:len(out)-2], '}')
		}
		require.Equal(t, fine, again.object(out), "%s", out)
		require.Equal(t, []int64{start, micros}, []int64{again.Start, again.Micros})
		if _, ok := m["uid"]; ok {
			require.Equal(t, want, again.UID)
		}
		for name, v := range m {
			require.Equal(t, v, string(again.Text(zeekNames[name])), name)
		}
	})
}

// appendSeconds writes microseconds as Zeek writes times.
func appendSeconds(b []byte, us int64) []byte {
	whole, frac := us/1_000_000, us%1_000_000
	b = append(b, []byte(itoa(whole))...)
	b = append(b, '.')
	digits := itoa(frac + 1_000_000)
	return append(b, digits[1:]...)
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

// FuzzFile looks into a file of any content and reads it, whatever it holds: nothing may panic, and what is in it is
// read, or the file is left out with a reason.
func FuzzFile(f *testing.F) {
	for _, content := range []string{"", "#close\t1\n", "{\n \"ts\": 1,\n \"query\": \"x\"\n}\n", "[{\"ts\":1,\"query\":\"x\"},{\"ts\":2}]", "\xff\xfet\x00s\x00", "a1,b2\n",
		`{"took":1,"hits":{"hits":[{"_source":{"ts":1,"query":"x"}}]}}`, "ts,uid,id.orig_h,id.resp_h,conn_state\n1,C1,10.0.0.1,1.2.3.4,SF\n", "\xd4\xc3\xb2\xa1xx", "\x00\x00\n{\"ts\":1}"} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := write(t, "x", content)
		r := &Report{}
		set, err := Look(t.Context(), []string{path}, 1, r)
		require.NoError(t, err)
		require.Len(t, append(make([]int, len(set.Files)), make([]int, len(set.Left))...), 1)
		for _, l := range set.Left {
			require.NotEmpty(t, l.What)
		}
		for _, file := range set.Files {
			n := 0
			scan := Scan{Workers: 1, ChunkSize: 64, Kinds: read, New: func() Taker { return counter{&n} }}
			require.NoError(t, scan.Run(t.Context(), set.Files))
			require.Equal(t, int64(n), file.Records)
			file.LastRecord()
		}
	})
}
