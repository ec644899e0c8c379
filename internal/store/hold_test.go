package store

import (
	"errors"
	"net/http"
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

// TestHeldHuntsAreWrittenLater takes the cluster's disk and network away for a while: what was hunted meanwhile is held,
// and is stored in its order once the cluster is back.
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

func TestWhatIsNotHeld(t *testing.T) {
	h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
	for _, c := range []struct {
		name  string
		reply estest.Reply
		// held says that the hunt is on this machine although there is an error.
		held bool
		want string
	}{
		{"wrong password", estest.Error(401, "security_exception", "unable to authenticate user"), true, "held on this machine"},
		{"no templates", estest.Error(404, "resource_not_found_exception", "not there"), false, "dwell install"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sp, err := spool.Open(spool.Options{Dir: t.TempDir()})
			require.NoError(t, err)
			client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"},
				Transport: &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return c.reply }}})
			require.NoError(t, err)
			report, err := New(client, Options{}).WriteOrHold(t.Context(), sp, h.findings, h.document(begin))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.held, report.Held != nil)
			status, err := sp.Status()
			require.NoError(t, err)
			require.Equal(t, c.held, status.Hunts == 1)
		})
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

// TestRefusedForGoodIsBuried: the dead-letter file holds what the index would not take.
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
