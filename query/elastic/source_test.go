package elastic

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

func TestReadGivesEveryConnectionExactlyOnce(t *testing.T) {
	const span = 30 * time.Hour
	recs := traffic(7, 4000, span)
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		c.load(t, index, recs)
		for _, tc := range []struct {
			opt        Options
			directions []hunt.Direction
		}{
			{Options{}, []hunt.Direction{hunt.Outbound, hunt.Inbound, hunt.Both}},
			{Options{SliceDocs: 100}, []hunt.Direction{hunt.Both}},
			{Options{SliceDocs: 1, Concurrency: 1, MaxPage: 100}, []hunt.Direction{hunt.Both}},
			{Options{SliceDocs: 64, Concurrency: 4, MaxPage: 64}, []hunt.Direction{hunt.Outbound}},
		} {
			opt := tc.opt
			for _, d := range tc.directions {
				t.Run(fmt.Sprintf("slices of %d, %d at once, %s", opt.SliceDocs, opt.Concurrency, d), func(t *testing.T) {
					opt.Index = []string{index}
					src, err := New(c.Client, opt)
					require.NoError(t, err)
					scope := hunt.NewScope(nil, d)
					req := hunt.Request{From: day.Add(2*time.Hour + 30*time.Minute + time.Millisecond), To: day.Add(span), Scope: scope}
					if opt.SliceDocs == 1 {
						req.To = req.From.Add(15 * time.Minute) // one request per connection: a few dozen suffice
					}
					var got collector
					r, err := src.Read(t.Context(), req, got.emit)
					require.NoError(t, err)
					want := expected(recs, scope, r.Window.ReadFrom(), req.To)
					require.Greater(t, sum(want), int64(20))
					same(t, want, got.conns)
					complete(t, r)
					require.Equal(t, sum(want), r.Connections)
					require.Equal(t, index, r.Source)
				})
			}
		}
	})
}

func TestReadOtherInternalNetworks(t *testing.T) {
	recs := traffic(8, 1000, time.Hour)
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 1)
		c.load(t, index, recs)
		src, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		scope := hunt.NewScope([]netip.Prefix{netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("fd00::1:0/113")}, hunt.Both)
		var got collector
		r, err := src.Read(t.Context(), hunt.Request{From: day, To: day.Add(time.Hour), Scope: scope}, got.emit)
		require.NoError(t, err)
		want := expected(recs, scope, day, day.Add(time.Hour))
		require.NotEmpty(t, want)
		same(t, want, got.conns)
		complete(t, r)
	})
}

// Thousands of connections within two milliseconds cannot be split by time: pages continue from their last key.
func TestReadGoesOnWhenAPageIsFull(t *testing.T) {
	recs := traffic(9, 3000, 2*time.Millisecond)
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		c.load(t, index, recs)
		src, err := New(c.Client, Options{Index: []string{index}, SliceDocs: 100, MaxPage: 100})
		require.NoError(t, err)
		scope := hunt.NewScope(nil, hunt.Outbound)
		var got collector
		r, err := src.Read(t.Context(), hunt.Request{From: day, To: day.Add(time.Second), Scope: scope}, got.emit)
		require.NoError(t, err)
		same(t, expected(recs, scope, day, day.Add(time.Second)), got.conns)
		complete(t, r)
		require.Len(t, r.Slices, 2, "one for each millisecond")
		require.Greater(t, r.Slices[0].Read, int64(500), "more than five pages")
	})
}
