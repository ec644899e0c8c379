package pipeline

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
)

// Names out of network data are remembered as names alone: one that reads as a story or a domain would make those older
// than they are.
func TestNamesCannotBeStories(t *testing.T) {
	at := day0.UnixMilli()
	src := &withNames{fixed: *ofDay(nil)}
	for _, name := range []string{"a.example", "#1f", "*.evil.example"} {
		src.conns = append(src.conns, hunt.Connection{Start: at, Src: inside, Dst: server, SrcPort: 40_000, DstPort: 443, Proto: hunt.TCP, Count: 1,
			Duration: 500, OrigBytes: 100, RespBytes: 300, OrigIPBytes: 400})
		src.names = append(src.names, hunt.NameRecord{Start: at, Src: inside, Dst: server, SrcPort: 40_000, DstPort: 443, Kind: hunt.TLS, Name: name, Count: 1})
	}
	want := map[string]firstseen.Span{server.String(): {First: at, Last: at}, "a.example": {First: at, Last: at}}
	var got map[string]firstseen.Span
	o := dwellOptions()
	_, err := firstseen.Learn(t.Context(), src, o.Request, func(seen map[string]firstseen.Span) error { got = seen; return nil })
	require.NoError(t, err)
	require.Equal(t, want, got)

	o.Remember = true
	res, err := Run(t.Context(), src, o)
	require.NoError(t, err)
	require.Equal(t, want, maps.Collect(res.Seen))
}
