package store

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"
	"dwell/internal/store/spool"
	"dwell/so-config"
)

// Tries are counted from stored documents: each incomplete or empty one, once, however often it was written. A hunt
// that waited for upload does not replace a later, better try.
func TestTriesAreCounted(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{})
		weak, whole := (&sampleHunt{name: t.Name(), revision: "weak"}).many(3), (&sampleHunt{name: t.Name(), revision: "whole"}).many(3)
		ids := []string{weak.id(), hunt.Digest("another")}
		try := func(h *sampleHunt, complete bool, connections int64, minutes int) (hunt.Past, hunt.Document) {
			doc := h.document(begin.Add(24*time.Hour + time.Duration(minutes)*time.Minute))
			doc.Dwell.Hunt.Complete, doc.Dwell.Hunt.Connections = complete, connections
			for range 2 { // an answer was lost, so it is sent again
				_, err := store.Write(t.Context(), h.findings, doc)
				require.NoError(t, err)
			}
			past, err := store.Past(t.Context(), ids)
			require.NoError(t, err)
			require.Len(t, past, 1)
			return past[ids[0]], doc
		}
		past, err := store.Past(t.Context(), ids)
		require.NoError(t, err)
		require.Empty(t, past)
		first, held := try(weak, false, 5, 0)
		require.Equal(t, 1, first.Tries)
		second, _ := try(weak, false, 5, 5)
		require.Equal(t, 2, second.Tries, "the same luck, and a try of its own")
		require.True(t, second.Last.Equal(begin.Add(24*time.Hour+5*time.Minute)))
		third, _ := try(weak, true, 0, 35)
		require.Equal(t, 3, third.Tries, "an empty window is not done")
		done, _ := try(whole, true, 5, 100)
		require.Equal(t, hunt.Past{Done: true}, done)
		require.Len(t, c.documents(t, soconfig.FindingStream), 6)
		hunts, err := store.Hunts(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, whole.rev(), hunts[0].Dwell.Revision)
		require.Equal(t, weak.rev(), hunts[0].Dwell.Hunt.Replaces)

		sp, err := spool.Open(spool.Options{Dir: t.TempDir()})
		require.NoError(t, err)
		require.NoError(t, sp.Put(held, weak.findings))
		n, err := store.Replay(t.Context(), sp)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		past, err = store.Past(t.Context(), ids)
		require.NoError(t, err)
		require.True(t, past[ids[0]].Done)

		// The cluster's clock, also without the privilege to query a node for it.
		clock, err := store.Clock(t.Context())
		require.NoError(t, err)
		require.Less(t, clock.Off(), time.Minute)
		network, err := es.Network(c.cfg)
		require.NoError(t, err)
		denied := &estest.Fake{Handle: func(int, estest.Request) estest.Reply {
			return estest.Error(403, "security_exception", "is unauthorized")
		}}
		weakKey := New(c.with(t, func(cfg *es.Config) {
			cfg.Transport = tripper(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.Path, "_nodes") {
					return denied.RoundTrip(r)
				}
				return network.RoundTrip(r)
			})
		}), Options{})
		searched, err := weakKey.Clock(t.Context())
		require.NoError(t, err)
		require.Less(t, searched.Off(), time.Minute)
		require.InDelta(t, clock.Now.UnixMilli(), searched.Now.UnixMilli(), 60_000)
	})
}
