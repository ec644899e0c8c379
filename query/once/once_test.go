package once

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A short connection just before a lasting one from the same port is another connection, whichever comes first; what
// two sensors saw of one is one, also where their durations differ a little.
func TestShortDoesNotHideLasting(t *testing.T) {
	conn := func(start, duration int64) *hunt.Connection {
		return &hunt.Connection{Src: netip.MustParseAddr("10.0.0.7"), Dst: netip.MustParseAddr("203.0.113.9"), SrcPort: 50000, DstPort: 443,
			Proto: hunt.TCP, Start: start, Duration: duration}
	}
	const at = 1_700_000_000_000
	for name, c := range map[string]struct {
		first, second *hunt.Connection
		again         bool
	}{
		"short, lasting":         {conn(at, 100), conn(at+500, 50_000_000), false},
		"lasting, short":         {conn(at+500, 50_000_000), conn(at, 100), false},
		"no duration, lasting":   {conn(at, hunt.Absent), conn(at+500, 50_000_000), false},
		"two sensors, lasting":   {conn(at, 50_000_000), conn(at+500, 50_000_400), true},
		"two sensors, short":     {conn(at, 100), conn(at+500, 140), true},
		"two sensors, at margin": {conn(at, 96_900), conn(at+500, 97_100), true},
		"at margin, reversed":    {conn(at, 97_100), conn(at+500, 96_900), true},
		"seconds apart":          {conn(at, 100), conn(at+1500, 100), false},
		"across a span":          {conn(at/spanned*spanned-300, 100), conn(at/spanned*spanned+300, 100), true},
	} {
		set := New(1000)
		require.False(t, set.Again(c.first), name)
		require.Equal(t, c.again, set.Came(c.second), name)
		require.True(t, set.Around(c.second, 60_000), name)
		require.Equal(t, c.again, set.Again(c.second), name)
	}
}
