package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence/intel"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// TestTunnelsAreJudged: what is known of a domain speaks about the names asked for below it: the catalogue of
// reputation services, an indicator for the domain or for what lies below it, on a list or in Zeek's intel.log.
func TestTunnelsAreJudged(t *testing.T) {
	tunnel := func(name, host, domain, list string) simulate.Talker {
		return simulate.Talker{Name: name, Kind: simulate.KindDNSTunnel, Hosts: []string{host}, Domain: domain, Period: simulate.Duration(10 * time.Second), Jitter: 0.3, Burst: 2, Intel: list}
	}
	sc := simulate.Default()
	sc.Hosts, sc.Rate, sc.Length, sc.Services = 4, 20, simulate.Duration(6*time.Hour), nil
	sc.Implants = []simulate.Talker{tunnel("reputation", "ws-001", "v1.sophosxl.net", ""), tunnel("plain", "ws-002", "t.plain.example", ""), tunnel("listed", "ws-003", "t.listed.example", ""), tunnel("told", "ws-004", "t.told.example", "feed-a")}
	dir := t.TempDir()
	_, err := simulate.Run(context.Background(), sc, dir, simulate.Format{})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "list.txt")
	require.NoError(t, os.WriteFile(file, []byte("t.listed.example\n"), 0o600))
	judges := allJudges(t)
	for i, j := range judges {
		if _, ok := j.(*intel.Lists); ok {
			judges[i] = intel.Load(t.Context(), []string{file}, &intel.Feeds{})
		}
	}
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), Options{Ranking: rank.Ranking{Judges: judges}, MinScore: 0.2, Now: time.Now,
		Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
	require.NoError(t, err)
	lists := map[string]string{}
	explained := map[string]string{}
	for _, f := range res.Findings {
		if f.Dwell.DNS != nil && strings.HasPrefix(f.Source.IP.String(), "10.20.0.3") { // not the site's resolver
			explained[f.Destination.Domain], lists[f.Destination.Domain] = f.Dwell.Explained, ""
			for _, hit := range f.Dwell.Evidence.Intel {
				lists[f.Destination.Domain] += hit.Indicator + " by " + hit.List
			}
		}
	}
	require.Equal(t, map[string]string{"sophosxl.net": "strong", "plain.example": "none", "listed.example": "none", "told.example": "none"}, explained)
	require.Equal(t, map[string]string{"sophosxl.net": "", "plain.example": "", "listed.example": "t.listed.example by list.txt", "told.example": "t.told.example by zeek.intel: feed-a"}, lists)
}
