package log

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestWrongShapes gives each field with a type a value of another: it is not set, and it counts.
func TestWrongShapes(t *testing.T) {
	unset := map[Field]func(*Record) bool{
		OrigP:     func(r *Record) bool { return r.Port(OrigP) == 0 },
		RespP:     func(r *Record) bool { return r.Port(RespP) == 0 },
		Proto:     func(r *Record) bool { return r.Proto(Proto) == hunt.TransportUnknown },
		Service:   func(r *Record) bool { return r.Word(Service) == nil },
		Duration:  func(r *Record) bool { return r.Interval(Duration) == hunt.Absent },
		OrigBytes: func(r *Record) bool { return r.Count(OrigBytes) == hunt.Absent },
		ConnState: func(r *Record) bool { return r.State(ConnState, hunt.TCP) == hunt.StateOther },
		LocalOrig: func(r *Record) bool { return r.Flag(LocalOrig) == 0 },
		NotAfter:  func(r *Record) bool { return r.Time(NotAfter) == hunt.Absent },
	}
	head := new(Header)
	for f, isUnset := range unset {
		p := NewParser(f)
		for _, value := range []string{`{"s":1}`, `{}`, `{"a":{"b":[1]}}`, `[1,2]`, `[{"a":1}]`, `"1x"`, `[[1]]`} {
			if f == Service && value == `"1x"` {
				continue // a service's name may have digits
			}
			line := fmt.Sprintf(`{"ts":1717200000.5,"uid":"C1","id.orig_h":"10.0.0.1","id.resp_h":"203.0.113.7",%q:%s}`, f, value)
			for range 2 { // the second time by the quick way, where there is one
				require.Equal(t, fine, p.line([]byte(line), head), line)
				require.True(t, isUnset(&p.Record), line)
				require.Equal(t, f, p.odd, line)
			}
		}
		for _, value := range []string{`null`, `"-"`, `[]`} {
			line := fmt.Sprintf(`{"ts":1717200000.5,"uid":"C1",%q:%s}`, f, value)
			require.Equal(t, fine, p.line([]byte(line), head), line)
			require.True(t, isUnset(&p.Record), line)
			require.Equal(t, None, p.odd, line)
		}
	}
}

// TestServices reads services as Zeek writes them: lists, those not confirmed with a minus sign, and Spicy's names.
func TestServices(t *testing.T) {
	p := NewParser(Service)
	for _, service := range []string{"-http", "-ssl,ssl", "spicy_quic", "6lowpan", "ssl,-gssapi"} {
		require.Equal(t, fine, p.line([]byte(`{"ts":1717200000.5,"uid":"C1","service":"`+service+`"}`), new(Header)))
		require.Equal(t, service, string(p.Word(Service)))
		require.Equal(t, None, p.odd, service)
	}
}

// TestDocumentsObjects reads a document whose host and service are objects, as they are in documents.
func TestDocumentsObjects(t *testing.T) {
	p := NewParser(Service, Host)
	rest := `"id.orig_h":"10.0.0.1","id.resp_h":"203.0.113.7","host":{"name":"sensor"},"service":{"type":"zeek"}}`
	require.Equal(t, fine, p.line([]byte(`{"@timestamp":"2024-06-01T00:00:00Z","ts":1717200000.5,`+rest), new(Header)))
	require.Equal(t, None, p.odd)
	require.Nil(t, p.Word(Service))
	require.Equal(t, fine, p.line([]byte(`{"ts":1717200000.5,`+rest), new(Header)))
	require.Equal(t, Service, p.odd)
}

// TestFlags reads a boolean as Zeek, JSON and databases write it.
func TestFlags(t *testing.T) {
	p := NewParser(LocalOrig)
	for value, want := range map[string]int{"true": 1, `"T"`: 1, `"True"`: 1, "1": 1, "false": -1, `"F"`: -1, `"FALSE"`: -1, "0": -1} {
		require.Equal(t, fine, p.line([]byte(`{"ts":1717200000.5,"uid":"C1","local_orig":`+value+`}`), new(Header)))
		require.Equal(t, want, p.Flag(LocalOrig), value)
		require.Equal(t, None, p.odd, value)
	}
}
