package firstseen

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// flooded is a source in which one host contacts many destinations, each once and the first three twice. Another host
// also contacts the tenth, and two of its own.
type flooded struct{ sightings bool }

func (f flooded) Open() *hunt.Session {
	flooder, other := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.8")
	s := &hunt.Session{}
	each := func(give func(src netip.Addr, dst string, at int64)) {
		for i := range 1000 {
			give(flooder, fmt.Sprintf("198.51.%d.%d", i/250, i%250), int64(i+1))
			if i < 3 {
				give(flooder, fmt.Sprintf("198.51.%d.%d", i/250, i%250), 5000)
			}
		}
		give(other, "198.51.0.9", 6000)
		give(other, "203.0.113.1", 6000)
		give(other, "203.0.113.2", 6000)
	}
	s.Connections = func(_ context.Context, _ hunt.Request, emit func([]hunt.Connection) error) (r hunt.Reading, err error) {
		each(func(src netip.Addr, dst string, at int64) {
			err = emit([]hunt.Connection{{Start: at, Src: src, Dst: netip.MustParseAddr(dst), RespBytes: 10}})
		})
		return r, err
	}
	if f.sightings {
		s.Sightings = func(_ context.Context, _ hunt.Request, emit func([]hunt.Sighting) error) (r hunt.Reading, err error) {
			each(func(src netip.Addr, dst string, at int64) {
				err = emit([]hunt.Sighting{{Destination: dst, Source: src, First: at, Last: at, Count: 1}})
			})
			return r, err
		}
	}
	return s
}

// No host fills the store with destinations that it alone contacts, from files or from the cluster. The most contacted
// stay, as do other hosts' destinations, and the rest is reported.
func TestLearningCannotBeFlooded(t *testing.T) {
	for _, sightings := range []bool{false, true} {
		got := map[string]Span{}
		l := &learner{seen: map[string]sight{}, share: 100, keep: func(seen map[string]Span) error {
			for what, span := range seen {
				got[what] = span
			}
			return nil
		}}
		reading, err := l.learn(t.Context(), flooded{sightings}, hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)})
		require.NoError(t, err)
		require.Len(t, got, 100+3)
		for _, what := range []string{"198.51.0.0", "198.51.0.1", "198.51.0.2", "198.51.0.9", "203.0.113.1", "203.0.113.2"} {
			require.Contains(t, got, what)
		}
		require.Equal(t, Span{1, 5000}, got["198.51.0.0"])
		require.Equal(t, Span{10, 6000}, got["198.51.0.9"])
		require.Len(t, reading.Notes, 1)
		require.Contains(t, reading.Notes[0].What, "10.0.0.9 contacted 999 destinations that no other host did")
	}
	// In parts too: a host's earlier destinations count.
	given := 0
	l := &learner{seen: map[string]sight{}, share: 100, given: map[netip.Addr]int{}, left: map[netip.Addr]int{}, keep: func(seen map[string]Span) error { given += len(seen); return nil }}
	for i := range 300 {
		l.see(fmt.Sprint("a", i, ".example"), sight{Span{1, 1}, netip.MustParseAddr("10.0.0.9"), 1})
		require.NoError(t, l.pass(50))
	}
	require.NoError(t, l.pass(0))
	require.Equal(t, 100, given)
}
