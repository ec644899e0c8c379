package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// of picks the documents of one hunt.
func of(h *sampleHunt) any { return dsl.Term("dwell.hunt_id", h.id()) }

func TestWriteTwiceLeavesTheSameDocuments(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{BulkDocs: 50})
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(120)
		h.add("10.9.9.9", "203.0.113.9", 0.1)
		report, err := store.Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		require.Equal(t, 120, report.Findings.Acked)
		require.Empty(t, report.Notes)

		findings, hunts := c.documents(t, soconfig.FindingStream, of(h)), c.documents(t, soconfig.HuntStream, of(h))
		require.Len(t, findings, 120, "a finding without a severity is not stored")
		require.Len(t, hunts, 1)
		require.Contains(t, hunts, report.HuntDocument)
		for i := range h.findings[:120] {
			f := &h.findings[i]
			want, err := json.Marshal(f)
			require.NoError(t, err)
			require.JSONEq(t, string(want), findings[f.Event.ID].Source, "the document is the NDJSON line")
		}

		again, err := store.Write(t.Context(), h.findings, h.document(begin.Add(time.Hour)))
		require.NoError(t, err)
		require.Equal(t, report.HuntDocument, again.HuntDocument)
		require.Equal(t, 120, again.Findings.Existing)
		require.Zero(t, again.Findings.Acked)
		require.Empty(t, cmp.Diff(findings, c.documents(t, soconfig.FindingStream, of(h))))
		require.Empty(t, cmp.Diff(hunts, c.documents(t, soconfig.HuntStream, of(h))))

		// An index that rolled over meanwhile would take the same ids once more: ids are unique per backing index only.
		c.do(t, "POST", "/"+soconfig.FindingStream+"/_rollover", "")
		c.do(t, "POST", "/"+soconfig.HuntStream+"/_rollover", "")
		again, err = store.Write(t.Context(), h.findings, h.document(begin.Add(2*time.Hour)))
		require.NoError(t, err)
		require.Equal(t, 120, again.Findings.Existing)
		require.Empty(t, cmp.Diff(findings, c.documents(t, soconfig.FindingStream, of(h))))
		require.Empty(t, cmp.Diff(hunts, c.documents(t, soconfig.HuntStream, of(h))))
	})
}

// TestKilledAtAnyPoint kills the writing at each of its requests in turn, and lets it run again: what is stored is what
// an undisturbed run stores, whether the request that was cut off had been carried out or not.
func TestKilledAtAnyPoint(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		network, err := es.Network(c.cfg)
		require.NoError(t, err)
		kills := 0
		var hunts []*sampleHunt
		// attempt kills the n-th request of a write, before or after the server carried it out, and lets the hunt run
		// again. It gives the path of that request, empty when there were fewer.
		attempt := func(n int, carriedOut bool) (path string) {
			h := (&sampleHunt{name: fmt.Sprintf("%s %d %t", t.Name(), n, carriedOut), revision: "a"}).many(9)
			hunts = append(hunts, h)
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			requests := 0
			client := c.with(t, func(cfg *es.Config) {
				cfg.Transport = tripper(func(req *http.Request) (*http.Response, error) {
					if requests++; requests != n {
						return network.RoundTrip(req)
					}
					path = req.URL.Path
					if !carriedOut {
						kill()
						return nil, context.Canceled
					}
					res, err := network.RoundTrip(req)
					kill()
					return res, err
				})
			})
			if _, err := New(client, Options{BulkDocs: 3}).Write(ctx, h.findings, h.document(begin)); err != nil {
				kills++
			}
			report, err := New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin.Add(time.Hour)))
			require.NoError(t, err)
			require.Equal(t, 9, report.Findings.Acked+report.Findings.Existing)
			return path
		}
		for n := 1; ; n++ {
			path := attempt(n, false)
			if path == "" {
				break
			}
			// Whether a question was answered makes no difference to what is stored; whether a bulk was carried out
			// does.
			if strings.HasSuffix(path, "_bulk") {
				attempt(n, true)
			}
		}
		findings, documents := c.documents(t, soconfig.FindingStream), c.documents(t, soconfig.HuntStream)
		for _, h := range hunts {
			require.Contains(t, documents, documentID(h.id(), h.rev(), 0))
			for i := range h.findings {
				require.Contains(t, findings, h.findings[i].Event.ID, h.name)
			}
		}
		require.Len(t, documents, len(hunts), "one document a hunt")
		require.Len(t, findings, 9*len(hunts), "each finding once")
		require.Greater(t, kills, 8, "requests of a write: mappings, refreshes, two questions, three bulks, the hunt's document")
	})
}

// tripper is a transport made of a function.
type tripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnotherRevisionSupersedes(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{})
		a := (&sampleHunt{name: t.Name(), revision: "a"}).many(3)
		b := (&sampleHunt{name: t.Name(), revision: "b"}).many(2)
		last := ""
		for i, step := range []struct {
			hunt     *sampleHunt
			replaces string
			existed  bool
			list     int
		}{
			{hunt: a, list: 3},
			{hunt: b, replaces: a.rev(), list: 2},
			{hunt: b, replaces: a.rev(), existed: true, list: 2},
			// What was read the first time holds again: its findings are there, a third document says that they count.
			{hunt: a, replaces: b.rev(), list: 3},
			{hunt: b, replaces: a.rev(), list: 2},
		} {
			// The clock stands still, and even so the newest document wins.
			report, err := store.Write(t.Context(), step.hunt.findings, step.hunt.document(begin))
			require.NoError(t, err)
			require.Equal(t, step.replaces, report.Replaces, "step %d", i)
			require.Equal(t, step.existed, report.HuntDocument == last, "step %d", i)
			last = report.HuntDocument
			list, err := store.Findings(t.Context(), Filter{HuntID: a.id()})
			require.NoError(t, err)
			require.Len(t, list.Findings, step.list, "step %d: only the newest revision counts", i)
			require.Zero(t, list.Unfinished)
			for _, f := range list.Findings {
				require.Equal(t, step.hunt.rev(), f.Dwell.Revision)
			}
		}
		require.Len(t, c.documents(t, soconfig.FindingStream, of(a)), 5, "nothing is deleted")
		require.Len(t, c.documents(t, soconfig.HuntStream, of(a)), 4)
	})
}

// TestRefusedFindings: a document that the index will not take must not keep the others out, and the hunt says so.
func TestRefusedFindings(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		h := (&sampleHunt{name: t.Name() + c.cfg.Addresses[0], revision: "a"}).many(4)
		// A year of five digits is no date to the index.
		h.findings[1].Timestamp = hunt.Time{Time: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)}
		report, err := New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		require.Equal(t, 3, report.Findings.Acked)
		require.Len(t, report.Findings.Dead, 1)
		require.Equal(t, es.Mapping, report.Findings.Dead[0].Err.Kind)
		require.Equal(t, h.findings[1].Event.ID, report.Findings.Dead[0].ID)
		hunts, err := New(c.admin, Options{}).Hunts(t.Context(), 0)
		require.NoError(t, err)
		for _, d := range hunts {
			if d.Dwell.HuntID == h.id() {
				require.False(t, d.Dwell.Hunt.Complete)
				require.Len(t, d.Dwell.Hunt.Gaps, 1)
				require.Contains(t, d.Dwell.Hunt.Gaps[0], "1 findings were refused by the index")
				return
			}
		}
		require.Fail(t, "the hunt's document is not there")
	})
}

func TestFindingsOfAnotherHuntAreRefused(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		a, b := (&sampleHunt{name: t.Name(), revision: "a"}).many(1), (&sampleHunt{name: t.Name(), revision: "b"}).many(1)
		_, err := New(c.admin, Options{}).Write(t.Context(), a.findings, b.document(begin))
		require.ErrorContains(t, err, "belongs to hunt")
	})
}
