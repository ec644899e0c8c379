package pipeline

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/evidence/intel"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rita"
)

// withSignatures is a source that has signatures, too.
type withSignatures struct {
	withNames
	signatures []hunt.Signature
}

func (w *withSignatures) Open() *hunt.Session {
	in := w.withNames.Open()
	in.Signatures = func(_ context.Context, _ hunt.Request, emit func([]hunt.Signature) error) (hunt.Reading, error) {
		return hunt.Reading{Connections: int64(len(w.signatures))}, emit(w.signatures)
	}
	return in
}

func machine(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}) }

// TestRITAModifiers holds what no capture shows to docs/facts/rita.md, 1.10: 60 hosts, of which one (1.7%) talks to the
// server every five minutes (a beacon of 1.000, so a threat of 0.8), and 40 to another one.
func TestRITAModifiers(t *testing.T) {
	popular, listed, named := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.66"), "c2.evil.example"
	src := &withSignatures{withNames: withNames{fixed: *ofDay(nil)}}
	talk := func(src_, dst netip.Addr, period time.Duration, bytes int64) []hunt.Connection {
		return by(every(dst, day0, period, 24*time.Hour), func(c *hunt.Connection) { c.Src, c.OrigIPBytes = src_, bytes })
	}
	add := func(conns []hunt.Connection) { src.conns = append(src.conns, conns...) }
	add(talk(machine(0), server, 5*time.Minute, 400))
	for i := range 60 {
		n := 5 * time.Minute
		if i >= 40 {
			n = 24 * time.Hour // once, which makes it active and no more
			add(talk(machine(i), netip.AddrFrom4([4]byte{203, 0, 114, byte(i)}), n, 400))
			continue
		}
		add(talk(machine(i), popular, n, 400))
	}
	add(talk(machine(1), listed, 12*time.Hour, 20_000_000)) // two connections are no beacon; 40 MB are much
	for i, c := range talk(machine(2), netip.MustParseAddr("203.0.113.80"), 5*time.Minute, 400) {
		c.SrcPort = uint16(20000 + i)
		src.conns = append(src.conns, c)
		src.names = append(src.names, hunt.NameRecord{Start: c.Start, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: c.DstPort, Kind: hunt.HTTP, Name: named, Count: 1})
	}
	src.names = append(src.names, hunt.NameRecord{Start: day0.UnixMilli(), Src: machine(0), Dst: server, Kind: hunt.HTTP, Count: 1})
	src.signatures = []hunt.Signature{{Src: machine(0), Dst: server, Text: "only here"}, {Src: machine(0), Dst: server, Text: "everywhere"}, {Src: machine(0), Dst: popular, Text: "everywhere"},
		{Src: machine(1), Dst: popular, Text: "only here"}, {Src: machine(1), Dst: server, Text: "only here"}}
	for i := range 300 { // two clients ask for 300 names in all; only they connect to the answer
		src.dns = append(src.dns, hunt.DNSRecord{Start: day0.UnixMilli(), Client: machine(i % 2), Resolver: machine(250), Query: fmt.Sprintf("n%d.tunnel.example", i),
			Answers: []string{server.String()}, Count: 1})
		src.dns = append(src.dns, hunt.DNSRecord{Start: day0.UnixMilli(), Client: machine(0), Resolver: machine(250), Query: fmt.Sprintf("n%d.busy.example", i),
			Answers: []string{popular.String()}, Count: 1})
	}

	list := filepath.Join(t.TempDir(), "list.txt")
	require.NoError(t, os.WriteFile(list, []byte(listed.String()+"\nevil.example\n"), 0o600))
	path := filepath.Join(t.TempDir(), "first-seen")
	ago := func(days int) firstseen.Span {
		at := day0.Add(24*time.Hour).AddDate(0, 0, -days).UnixMilli()
		return firstseen.Span{First: at, Last: at}
	}
	_, err := firstseen.Feed(path, maps.All(map[string]firstseen.Span{popular.String(): ago(31), named: ago(8), "old.example": ago(40)}), day0.Add(24*time.Hour))
	require.NoError(t, err)
	store, err := firstseen.Open(path)
	require.NoError(t, err)
	o := options()
	o.Ranking = rita.Ranking{FirstSeen: store, Indicators: intel.Load(t.Context(), []string{list}, nil)}
	found := hunted(t, src, o)

	for pair, want := range map[string]struct {
		base      float64
		modifiers map[string]float64
		severity  string
	}{
		"10.0.1.0>203.0.113.9":  {0.8, map[string]float64{"prevalence": 0.15, "first_seen": 0.15, "missing_host": 0.1, "rare_signature": 0.15}, "critical"},
		"10.0.1.3>198.51.100.1": {0.8, map[string]float64{"prevalence": -0.15, "first_seen": -0.15}, "medium"},
		"10.0.1.1>192.0.2.66":   {0, map[string]float64{"prevalence": 0.15, "first_seen": 0.15, "threat_intel": 0.8, "threat_intel_data": 0.15}, "critical"},
		// Eight days are neither new nor long; 0.8 is there already.
		"10.0.1.2>c2.evil.example": {0.8, map[string]float64{"prevalence": 0.15, "threat_intel": 0}, "critical"},
		// 300 names lie half way from 100 (0.2) to 500 (0.4). Machine 39 and others connected to busy.example's address
		// without asking.
		"10.0.1.0>*.tunnel.example/dns": {0.3, map[string]float64{"no_direct_connection": 0.15}, "medium"},
		"10.0.1.0>*.busy.example/dns":   {0.3, nil, "low"},
	} {
		f, ok := found[pair]
		require.True(t, ok, "%s is not there", pair)
		sum := want.base
		got := map[string]float64{}
		for _, m := range f.Dwell.Modifiers {
			got[m.Name] = m.Value
			require.Contains(t, f.Dwell.Reasons, m.Reason)
			sum += m.Value
		}
		if want.modifiers == nil {
			want.modifiers = map[string]float64{}
		}
		require.Equal(t, want.modifiers, got, pair)
		require.InDelta(t, min(sum, 1), f.Dwell.Score, 1e-9, pair)
		require.Equal(t, want.severity, f.Dwell.Severity, pair)
	}
	_, ok := found["10.0.1.2>203.0.113.80"]
	require.False(t, ok, "what a name tells is not told by the address again")
	require.Equal(t, int64(60), found["10.0.1.0>203.0.113.9"].Dwell.Evidence.Prevalence.Active)
}
