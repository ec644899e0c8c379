package zeek

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// sound fails when an accepted line gave something that no connection can be.
func sound(t *testing.T, p *parser) {
	t.Helper()
	c := &p.conn
	require.True(t, c.Src.IsValid() && c.Dst.IsValid())
	require.False(t, c.Src.Is4In6() || c.Dst.Is4In6())
	require.Empty(t, c.Src.Zone()+c.Dst.Zone())
	require.GreaterOrEqual(t, c.Start, int64(0))
	for _, n := range []int64{c.Duration, c.OrigBytes, c.RespBytes, c.OrigIPBytes} {
		require.GreaterOrEqual(t, n, int64(hunt.Absent))
	}
	require.Equal(t, int64(1), c.Count)
}

func orUnset(n int64, render func(int64) string) string {
	if n == hunt.Absent {
		return "-"
	}
	return render(n)
}

func decimal(n int64) string  { return strconv.FormatInt(n, 10) }
func seconds(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

// renderTSV writes a connection as a line under tsvHeader.
func renderTSV(c *hunt.Connection) string {
	service, uid := c.Service, c.UID.String()
	if service == "" {
		service = "-"
	}
	if uid == "" {
		uid = "-"
	}
	return strings.Join([]string{seconds(c.Start), uid, c.Src.String(), decimal(int64(c.SrcPort)), c.Dst.String(), decimal(int64(c.DstPort)),
		c.Proto.String(), service, orUnset(c.Duration, seconds), orUnset(c.OrigBytes, decimal), orUnset(c.RespBytes, decimal), "SF",
		orUnset(c.OrigIPBytes, decimal), "-"}, "\t")
}

// FuzzTSV parses any line under any header. Nothing may panic; what is accepted is sound, and comes out the same
// when it is written and read again.
func FuzzTSV(f *testing.F) {
	for n := range 3 {
		f.Add(tsvHeader, strings.TrimSuffix(row(n), "\n"))
	}
	f.Add("#separator \\x7c\n#unset_field|NULL\n#fields|id.resp_h|id.orig_h|ts", "2001:db8::53|::ffff:10.0.0.1|1717200000.123999")
	f.Add("#fields\tts\tid.orig_h\tid.resp_h\ttunnel_parents   label", "1e9\t10.0.0.1\t1.2.3.4\t-   x")
	f.Add("", "garbage")
	plain := newHeader()
	for line := range strings.SplitSeq(strings.TrimSpace(tsvHeader), "\n") {
		plain = plain.with([]byte(line))
	}
	f.Fuzz(func(t *testing.T, head, line string) {
		h := newHeader()
		for l := range strings.SplitSeq(head, "\n") {
			if strings.HasPrefix(l, "#") {
				h = h.with([]byte(l))
			}
		}
		p := newParser()
		span := p.tsv([]byte(line), h, &h.span)
		if p.tsv([]byte(line), h, &h.full) != fine {
			return
		}
		require.Equal(t, fine, span, "what is a record is one for the first pass too")
		sound(t, p)
		want := p.conn
		if strings.ContainsAny(want.Service+want.UID.String(), "\t\n") || want.Service == "-" || want.Service == "(empty)" ||
			want.UID.String() == "-" || want.UID.String() == "(empty)" {
			return // Not to be written without Zeek's escapes, which services and uids never have.
		}
		if want.UID != hunt.NewUID([]byte(want.UID.String())) {
			return // A uid with zero bytes inside.
		}
		again := newParser()
		require.Equal(t, fine, again.tsv([]byte(renderTSV(&want)), plain, &plain.full))
		require.Equal(t, want, again.conn)
	})
}

// FuzzJSON is FuzzTSV for JSON. Lines that encoding/json takes for an object with our fields in their right form are
// accepted, with the same values.
func FuzzJSON(f *testing.F) {
	f.Add(strings.TrimSuffix(jsonRows(0, 1), "\n"))
	f.Add(`{"@stream":"conn","ts":1588205198.89971,"id_orig_h":"10.0.1.4","id_orig_p":64842,"id_resp_h":"8.8.8.8","id_resp_p":53,"proto":"udp","service":["dns","x"],"duration":9.5e-07}`)
	f.Add(`{"ts":"2020-04-30T00:06:38.899710Z","id":{"orig_h":"fe80::1","orig_p":1,"resp_h":"::ffff:1.2.3.4","resp_p":2},"x":{"y":[1,{"z":"}"}]},"uid":"C\u0041"}`)
	f.Add(`{"ts":1,"id.orig_h":"1.2.3.4","id.resp_h":"1.2.3.5","a":"\\\"","b":null,"c":true,"d":[]} `)
	f.Add(`{`)
	f.Add(`{"ts":"7000-01-10 00:00:00Z","id":{"orig_h":"0::0","resp_h":"::"}}`)
	// Brackets match inside x, but it is no object: the connection reader steps over it, the generic reader looks inside.
	f.Add(`{"ts":"0","id":{"orig_h":"e::","orig_p":1,"resp_h":"::ff:1.2.3.4","rwpp":2},"x":{""[{""""}]},"":""}`)
	f.Fuzz(func(t *testing.T, line string) {
		p := newParser()
		why := p.json([]byte(line))
		// The generic reader agrees on what is an object. Where a line is no JSON it may see more of it than the other.
		s := scanner{b: []byte(line)}
		members := s.members(nil, func([]byte, []byte) {})
		if why != fine {
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) == nil && m != nil {
				require.NotContains(t, []problem{badJSON, tornJSON}, why, "encoding/json reads it")
			}
			return
		}
		if json.Valid([]byte(line)) {
			require.Equal(t, fine, members)
		}
		sound(t, p)
		want := p.conn
		if !utf8.ValidString(want.Service+want.UID.String()) || want.UID != hunt.NewUID([]byte(want.UID.String())) {
			return // encoding/json could not write it.
		}
		if want.Start >= year5000/1000 {
			return // A date that, written as seconds, would be taken for milliseconds.
		}
		m := map[string]any{"ts": json.Number(seconds(want.Start)), "uid": want.UID.String(), "id.orig_h": want.Src, "id.orig_p": want.SrcPort,
			"id.resp_h": want.Dst, "id.resp_p": want.DstPort, "proto": want.Proto.String(), "service": want.Service}
		for k, n := range map[string]int64{"orig_bytes": want.OrigBytes, "resp_bytes": want.RespBytes, "orig_ip_bytes": want.OrigIPBytes} {
			if n != hunt.Absent {
				m[k] = n
			}
		}
		if want.Duration != hunt.Absent {
			m["duration"] = json.Number(seconds(want.Duration))
		}
		text, err := json.Marshal(m)
		require.NoError(t, err)
		again := newParser()
		require.Equal(t, fine, again.json(text), "%s", text)
		require.Equal(t, want, again.conn)
	})
}

// FuzzRecord reads any line as a record of any log and asks for everything that a record can give.
func FuzzRecord(f *testing.F) {
	f.Add("#fields\tts\tuid\ta.b\tc", "1\tC1\tx\\x09y,z\\\\\t1.2.3.4")
	f.Add("", `{"ts":1,"a_b":["x","y\n",null,[1]],"c":"\u00e9"}`)
	f.Add("", `{"ts":"2020-04-30T00:06:38Z","a":{"b":"q"},"c":-1.5e3,"_path":"dns"}`)
	f.Fuzz(func(t *testing.T, head, line string) {
		if line == "" {
			return
		}
		h := newHeader()
		for l := range strings.SplitSeq(head, "\n") {
			if strings.HasPrefix(l, "#") {
				h = h.with([]byte(l))
			}
		}
		s := &recordScan{fields: newFieldSet([]string{"a.b", "c"}), newTaker: func() recordTaker { return recordTaker{} }}
		w := s.taker().(*recordWorker)
		if w.parse([]byte(line), h) != fine {
			return
		}
		r := &w.record
		require.GreaterOrEqual(t, r.Start, int64(0))
		for _, name := range []string{"a.b", "c"} {
			parts := 0
			for range r.List(name) {
				parts++
			}
			require.Equal(t, r.Has(name), r.cell(name) != nil)
			if !r.Has(name) {
				require.Zero(t, parts)
				require.Nil(t, r.Text(name))
			}
			text := string(r.Text(name))
			r.True(name)
			require.GreaterOrEqual(t, r.Count(name), int64(hunt.Absent))
			require.GreaterOrEqual(t, r.Duration(name), int64(hunt.Absent))
			require.GreaterOrEqual(t, r.Time(name), int64(hunt.Absent))
			if a := r.Addr(name); a.IsValid() {
				require.Empty(t, a.Zone())
			}
			r.Port(name)
			require.Equal(t, text, string(r.Text(name)), "asking changes nothing")
		}
	})
}
