package history

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestLookUps holds looks at a source, a network, a destination and a name to a walk over all that was put, in hours
// and in days with what came late.
func TestLookUps(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	s, err := Open(t.TempDir(), "one", Options{})
	require.NoError(t, err)
	var c []hunt.Connection
	var n []hunt.NameRecord
	var q []hunt.DNSRecord
	for h := range 26 {
		hc, hn, hq := traffic(r, day.Add(time.Duration(h)*time.Hour), 300)
		put(t, s, day.Add(time.Duration(h)*time.Hour), hc[:250], hn[:250], hq[:250], false)
		put(t, s, day.Add(time.Duration(h)*time.Hour), hc[250:], hn[250:], hq[250:], true)
		c, n, q = append(c, hc...), append(n, hn...), append(q, hq...)
	}
	days(t, s, day.Add(24*time.Hour))
	from, to := day.Add(90*time.Minute), day.Add(25*time.Hour)
	within := func(ms int64) bool { return ms >= from.UnixMilli() && ms < to.UnixMilli() }
	for _, sel := range []Selection{
		{Source: netip.MustParsePrefix("10.0.0.7/32")},
		{Source: netip.MustParsePrefix("10.0.0.16/28")},
		{Source: netip.MustParsePrefix("10.9.0.0/16")},
		{Destination: netip.MustParsePrefix("203.0.2.17/32")},
		{Destination: netip.MustParsePrefix("2001:db8:300::/40")},
		{Source: netip.MustParsePrefix("10.0.0.7/32"), Destination: netip.MustParsePrefix("203.0.0.0/23")},
		{Name: "n7.example"},
		{Name: "example", Source: netip.MustParsePrefix("10.0.0.8/31")},
		{Name: "xample"},
	} {
		t.Run(fmt.Sprint(sel.Source, sel.Destination, sel.Name), func(t *testing.T) {
			sel.From, sel.To = from, to
			has := func(p netip.Prefix, a netip.Addr) bool { return !p.IsValid() || p.Contains(a) }
			sel.settle()
			var mu sync.Mutex
			var gc, gn, gq []string
			lost, err := s.Connections(t.Context(), sel, func(b []hunt.Connection) error {
				mu.Lock()
				defer mu.Unlock()
				gc = append(gc, texts(b)...)
				return nil
			})
			require.NoError(t, err)
			require.Empty(t, lost)
			_, err = s.Names(t.Context(), sel, func(b []hunt.NameRecord) error {
				mu.Lock()
				defer mu.Unlock()
				gn = append(gn, texts(b)...)
				return nil
			})
			require.NoError(t, err)
			_, err = s.Queries(t.Context(), sel, func(b []hunt.DNSRecord) error {
				mu.Lock()
				defer mu.Unlock()
				gq = append(gq, texts(b)...)
				return nil
			})
			require.NoError(t, err)
			for _, l := range [][]string{gc, gn, gq} {
				slices.Sort(l)
			}
			require.Equal(t, texts(slices.DeleteFunc(slices.Clone(c), func(x hunt.Connection) bool {
				return !within(x.Start) || !has(sel.Source, x.Src) || !has(sel.Destination, x.Dst)
			})), gc)
			require.Equal(t, texts(slices.DeleteFunc(slices.Clone(n), func(x hunt.NameRecord) bool {
				return !within(x.Start) || !has(sel.Source, x.Src) || !has(sel.Destination, x.Dst) || sel.Name == "n7.example" && x.Name != sel.Name || sel.Name == "xample"
			})), gn)
			require.Equal(t, texts(slices.DeleteFunc(slices.Clone(q), func(x hunt.DNSRecord) bool {
				return !within(x.Start) || !has(sel.Source, x.Client) || sel.Name == "n7.example" || sel.Name == "xample"
			})), gq)
		})
	}
}

// TestLookUpsFindDamage changes bytes of a segment, one at a time: a look-up gives what was written, or names the hour.
func TestLookUpsFindDamage(t *testing.T) {
	s, err := Open(t.TempDir(), "one", Options{})
	require.NoError(t, err)
	c, _, _ := traffic(rand.New(rand.NewPCG(12, 1)), day, 40)
	put(t, s, day, c, nil, nil, false)
	path := filepath.Join(s.dir, s.spans[0].Segments[0].File)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	sel := Selection{From: day, To: day.Add(time.Hour), Source: netip.MustParsePrefix("10.0.0.0/8")}
	for i := 0; i < len(whole); i += 3 {
		b := slices.Clone(whole)
		b[i] ^= 0x10
		require.NoError(t, os.WriteFile(path, b, 0o250))
		var got []string
		lost, err := s.Connections(t.Context(), sel, func(b []hunt.Connection) error { got = append(got, texts(b)...); return nil })
		require.NoError(t, err)
		if len(lost) == 0 {
			slices.Sort(got)
			require.Equal(t, texts(c), got, "byte %d of %d (index from %d)", i, len(whole), s.spans[0].Segments[0].Tail)
		}
	}
}
