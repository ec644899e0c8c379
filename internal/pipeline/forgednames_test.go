package pipeline

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
)

// A name that everybody uses, has used for long and calls with this rhythm speaks for those who use it at the servers
// that others use, not for an implant that forges it at a server of its own.
func TestForgedNameLowersNothing(t *testing.T) {
	const name = "www.known.example"
	src := &withNames{fixed: *ofDay(nil)}
	add := func(conns []hunt.Connection) {
		for _, c := range conns {
			c.SrcPort = uint16(10_000 + len(src.conns)%50_000)
			src.conns = append(src.conns, c)
			src.names = append(src.names, hunt.NameRecord{Start: c.Start + 80, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: 443, Kind: hunt.TLS, Name: name, Count: 1})
		}
	}
	for host := range 20 {
		own := netip.AddrFrom4([4]byte{10, 0, 1, byte(host)})
		add(by(every(server, day0.Add(time.Duration(host)*time.Minute), 30*time.Minute, 23*time.Hour), func(c *hunt.Connection) { c.Src = own }))
	}
	add(every(server, day0, 30*time.Minute, 24*time.Hour))
	fleet := len(src.conns) - 48
	for i := range fleet { // the service has more servers than a finding names addresses
		at := netip.AddrFrom4([4]byte{192, 0, byte(i % 45), 50})
		src.conns[i].Dst, src.names[i].Dst = at, at
	}

	path := t.TempDir() + "/first-seen"
	_, err := firstseen.Feed(path, maps.All(map[string]firstseen.Span{name: {First: day0.AddDate(0, 0, -60).UnixMilli(), Last: day0.UnixMilli()}}), day0)
	require.NoError(t, err)
	store, err := firstseen.Open(path)
	require.NoError(t, err)
	o := dwellOptions()
	o.Ranking = rank.Ranking{Judges: []evidence.Judge{firstseen.Judge{Store: store}}}
	found := hunted(t, src, o)

	terms := func(f *hunt.Finding) (out []string) {
		for _, m := range f.Dwell.Modifiers {
			out = append(out, m.Name)
		}
		slices.Sort(out)
		return out
	}
	implant := found["10.0.0.5>"+name+":443/tcp"]
	require.Empty(t, terms(&implant))
	require.Equal(t, "none", implant.Dwell.Explained)
	require.InDelta(t, 0.847, implant.Dwell.Score, 0.003, "timing alone")
	software := found["10.0.1.3>"+name+":443/tcp"]
	require.Equal(t, []string{evidence.Common, evidence.Known}, terms(&software))
	require.Equal(t, []string{"weak", "medium"}, []string{software.Dwell.Explained, software.Dwell.Severity})
}
