package store

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"
	"dwell/internal/store/spool"
	"dwell/so-config"
)

// The cluster's disk and network fail for a while: hunts meanwhile wait, and are stored in order once the cluster is
// back.
func TestHeldHuntsAreWrittenLater(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		sp, err := spool.Open(spool.Options{Dir: t.TempDir()})
		require.NoError(t, err)
		network, err := es.Network(c.cfg)
		require.NoError(t, err)
		var trouble func(*http.Request) (*http.Response, error)
		client := c.with(t, func(cfg *es.Config) {
			cfg.MaxRetries = -1
			cfg.Transport = tripper(func(r *http.Request) (*http.Response, error) {
				if trouble != nil {
					if res, err := trouble(r); res != nil || err != nil {
						return res, err
					}
				}
				return network.RoundTrip(r)
			})
		})
		store := New(client, Options{Alerts: &AlertOptions{}, Budget: time.Second})
		flood := (&estest.Fake{Handle: func(int, estest.Request) estest.Reply { return estest.Flood() }}).RoundTrip
		var hunts []*sampleHunt
		write := func(revision string) Report {
			h := (&sampleHunt{name: t.Name(), revision: revision, hours: len(hunts)}).many(5)
			hunts = append(hunts, h)
			report, err := store.WriteOrHold(t.Context(), sp, h.findings, h.document(begin.Add(time.Duration(len(hunts))*time.Hour)))
			require.NoError(t, err)
			return report
		}
		trouble = func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "_bulk") {
				return flood(r)
			}
			return nil, nil
		}
		require.True(t, es.Is(write("a").Held, es.ClusterBlock))
		trouble = func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }
		require.True(t, es.Is(write("b").Held, es.Unreachable))
		require.True(t, es.Is(write("c").Held, es.Unreachable))
		status, err := sp.Status()
		require.NoError(t, err)
		require.Equal(t, 3, status.Hunts)

		trouble = nil
		report := write("d")
		require.NoError(t, report.Held)
		require.Equal(t, 3, report.Replayed)
		require.Equal(t, 5, report.Findings.Acked)
		status, err = sp.Status()
		require.NoError(t, err)
		require.Zero(t, status.Hunts)
		require.Len(t, c.documents(t, soconfig.FindingStream), 20)
		documents, err := store.Hunts(t.Context(), 0)
		require.NoError(t, err)
		require.Len(t, documents, 4)
		for i, d := range documents {
			require.Equal(t, hunts[3-i].rev(), d.Dwell.Revision, "in the order in which they were hunted")
		}
		require.Equal(t, hunts[2].rev(), documents[0].Dwell.Hunt.Replaces)
		require.NotEmpty(t, c.documents(t, soconfig.AlertStream), "held hunts raise their alerts too")
	})
}

// A finished hunt is kept whatever prevents its storage, except for permanent rejections.
func TestWhateverHappensTheHuntIsKept(t *testing.T) {
	h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
	// Any request fails, in any way.
	faults := map[string]estest.Reply{
		"wrong password": estest.Error(401, "security_exception", "unable to authenticate user"), "not allowed": estest.Error(403, "security_exception", "is unauthorized"),
		"no templates": estest.Error(404, "resource_not_found_exception", "not there"), "an error of the server": estest.Error(500, "null_pointer_exception", "x"),
		"busy": estest.Error(429, "es_rejected_execution_exception", "x"), "restarting": {Status: 503}, "a gateway": {Status: 502, Body: "<html>"},
		"no answer": {Err: syscall.ECONNREFUSED}, "a torn answer": {Status: 200, Body: `{"took":1,`}, "HTML": {Status: 200, Body: "<html>"}, "empty": {Status: 200},
		"a bad request": estest.Error(400, "parsing_exception", "x"), "a conflict": estest.Error(409, "version_conflict_engine_exception", "x"),
	}
	for name, fault := range faults {
		for _, path := range []string{"/_mapping", "/_index_template", "/_search", "/_bulk", ""} {
			t.Run(name+" at "+path, func(t *testing.T) {
				t.Parallel()
				sp, err := spool.Open(spool.Options{Dir: t.TempDir()})
				require.NoError(t, err)
				client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, MaxRetries: -1, BackoffMin: time.Millisecond, BackoffMax: time.Millisecond,
					Transport: &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
						if strings.Contains(r.Path, path) {
							return fault
						}
						return stands(r)
					}}})
				require.NoError(t, err)
				report, err := New(client, Options{Budget: time.Millisecond}).WriteOrHold(t.Context(), sp, h.findings, h.document(begin))
				status, look := sp.Status()
				require.NoError(t, look)
				if errors.Is(err, spool.ErrRefused) {
					require.Equal(t, 1, status.Refused)
					return
				}
				if report.Held == nil { // it did not need what failed
					require.NotEmpty(t, path)
					require.NoError(t, err)
					return
				}
				require.Equal(t, 1, status.Hunts)
				if err != nil {
					require.ErrorContains(t, err, "waits on this host")
				}
			})
		}
	}
	t.Run("a full spool", func(t *testing.T) {
		sp, err := spool.Open(spool.Options{Dir: t.TempDir(), MaxBytes: 10})
		require.NoError(t, err)
		client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, MaxRetries: -1,
			Transport: &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return estest.Reply{Err: syscall.ECONNREFUSED} }}})
		require.NoError(t, err)
		_, err = New(client, Options{}).WriteOrHold(t.Context(), sp, h.findings, h.document(begin))
		var full *spool.FullError
		require.True(t, errors.As(err, &full))
		require.True(t, es.Is(err, es.Unreachable), "both reasons are told: %v", err)
	})
}

// The dead-letter file has what the index rejected.
func TestRefusedForGoodIsBuried(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		sp, err := spool.Open(spool.Options{Dir: t.TempDir()})
		require.NoError(t, err)
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(3)
		h.findings[1].Timestamp = hunt.Time{Time: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)}
		report, err := New(c.admin, Options{}).WriteOrHold(t.Context(), sp, h.findings, h.document(begin))
		require.NoError(t, err)
		require.NoError(t, report.Held)
		status, err := sp.Status()
		require.NoError(t, err)
		require.Equal(t, 1, status.Dead)
	})
}

// stands answers like an installed, empty cluster that accepts everything.
func stands(r estest.Request) estest.Reply {
	switch {
	case r.Is("_mapping"):
		return estest.JSON(fmt.Sprintf(`{".ds-x-000001":{"mappings":{"_meta":{"managed_by":%q}}}}`, soconfig.ManagedBy))
	case r.Is("_search"):
		return estest.JSON(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"hits":[]}}`)
	case r.Is("_bulk"):
		var items []string
		for _, m := range regexp.MustCompile(`\{"create":\{"_id":("[^"]*")\}\}`).FindAllSubmatch(r.Body, -1) {
			items = append(items, fmt.Sprintf(`{"create":{"_id":%s,"status":201}}`, m[1]))
		}
		return estest.JSON(`{"items":[` + strings.Join(items, ",") + `]}`)
	}
	return estest.JSON(`{}`)
}
