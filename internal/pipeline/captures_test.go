package pipeline

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// captures is where the real Zeek logs lie, beside the project.
func captures(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "captures")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("captures not found at %s: skipped", dir)
	}
	return dir
}

// TestMissingHost is the capture that tells RITA's start-of-hour rule from a strict day: 331 connections and .963, not
// 317 and .950.
func TestMissingHost(t *testing.T) {
	dir := captures(t)
	scope := hunt.NewScope([]netip.Prefix{netip.MustParsePrefix("64.225.56.201/32")}, hunt.Both)
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{filepath.Join(dir, "rita", "missing_host")}}),
		Options{Ranking: rank.Ranking{}, MinScore: 0.4, Now: time.Now, Request: hunt.Request{Since: 24 * time.Hour, Scope: scope}})
	require.NoError(t, err)
	for _, f := range res.Findings {
		if strings.HasPrefix(f.Dwell.Pair, "73.54.23.243>64.225.56.201:80/") {
			require.Equal(t, int64(331), *f.Beacon.RITAConnections)
			require.Equal(t, 0.963, *f.Beacon.RITA)
			require.Equal(t, int64(317), f.Network.Connections, "the window itself is strict")
			require.Equal(t, "critical", f.Dwell.Severity)
			return
		}
	}
	t.Fatal("the implant was not found")
}

// TestProxyIsNotTheDestination: an implant that goes through an internal proxy is found under the host it asked for,
// with the numbers that RITA printed for it (docs/facts/rita.md, 3: 357 connections, .98).
func TestProxyIsNotTheDestination(t *testing.T) {
	dir := captures(t)
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{filepath.Join(dir, "rita", "proxy")}}),
		Options{Ranking: rank.Ranking{}, MinScore: 0.4, Now: time.Now, Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
	require.NoError(t, err)
	require.Len(t, res.Findings, 1)
	f := res.Findings[0]
	require.Equal(t, "10.136.0.18>www.honestimnotevil.com:443/tcp", f.Dwell.Pair)
	require.Equal(t, "critical", f.Dwell.Severity)
	require.Equal(t, int64(357), *f.Beacon.RITAConnections)
	require.Positive(t, res.Document.Dwell.Hunt.Statement.HoursWithData, "what went through the proxy was seen")
	require.InDelta(t, 0.98, *f.Beacon.RITA, 0.002)
}

// judged hunts a capture with all judges.
func judged(t *testing.T, path, internal string) []hunt.Finding {
	t.Helper()
	var networks []netip.Prefix
	if internal != "" {
		networks = []netip.Prefix{netip.MustParsePrefix(internal)}
	}
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{filepath.Join(captures(t), path)}}), Options{Ranking: rank.Ranking{Judges: allJudges(t)},
		MinScore: 0.2, Now: time.Now, Request: hunt.Request{Scope: hunt.NewScope(networks, hunt.Outbound)}})
	require.NoError(t, err)
	return res.Findings
}

// TestQuietOnBenignDays: of what nothing explains, at most one finding of high or critical a host and day and two of
// medium or more (the captures' truth: all of it is benign; each holds about a day).
func TestQuietOnBenignDays(t *testing.T) {
	long(t)
	for path, internal := range map[string]string{
		"ctu-normal-008": "147.32.80.0/20", "ctu-normal-011": "147.32.80.0/20", "rita/office_http/http.log.gz": "",
	} {
		quiet(t, path, judged(t, path, internal))
	}
}

// quiet demands docs/facts/scoring.md, 8 and the promise of docs/detection.md, 5, of a day in which all is benign.
func quiet(t *testing.T, what string, findings []hunt.Finding) {
	t.Helper()
	high, medium := map[netip.Addr]int{}, map[netip.Addr]int{}
	for _, f := range findings {
		if f.Dwell.Explained != "none" {
			continue
		}
		if f.Event.Severity >= 3 {
			high[f.Source.IP]++
		}
		if f.Event.Severity >= 2 {
			medium[f.Source.IP]++
		}
	}
	for host, n := range medium {
		require.LessOrEqual(t, high[host], 1, "%s %s", what, host)
		require.LessOrEqual(t, n, 2, "%s %s", what, host)
	}
}

// TestSimulatedSitesAreExplained: days of offices without an implant, which nothing was fitted to and whose names no
// catalogue knows, after forty days in which everything was there. What stays unexplained from medium on is what one or
// two hosts alone do, over and over: nothing but their owner's word tells that from an implant (docs/detection.md has
// how many that are). What a fleet does is medium at most.
func TestSimulatedSitesAreExplained(t *testing.T) {
	long(t)
	for seed := range uint64(3) {
		sc := simulate.Default()
		sc.Seed, sc.Hosts, sc.Rate, sc.Implants = 100+seed, 25, 60, nil
		dir := t.TempDir()
		_, err := simulate.Run(t.Context(), sc, dir, simulate.Format{})
		require.NoError(t, err)
		judges := allJudges(t)
		o := Options{Ranking: rank.Ranking{}, MinScore: 0.2, Now: time.Now, Remember: true, Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}}
		past, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), o)
		require.NoError(t, err)
		judges[0] = firstseen.Judge{Store: remembered(t, past, 40)}
		o.Ranking = rank.Ranking{Judges: judges}
		res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), o)
		require.NoError(t, err)
		explained := 0
		for _, f := range res.Findings {
			switch {
			case f.Event.Severity < 2:
			case f.Dwell.Explained != "none":
				explained++
				if f.Dwell.Evidence.Service == nil {
					require.Equal(t, "medium", f.Dwell.Severity, "seed %d: %s: %v", sc.Seed, f.Dwell.Pair, f.Dwell.Reasons)
				}
			default:
				require.LessOrEqual(t, f.Dwell.Evidence.Prevalence.Hosts, int64(2), "seed %d: %s: %v", sc.Seed, f.Dwell.Pair, f.Dwell.Reasons)
			}
		}
		require.Greater(t, explained, 50, "programs of many hosts were there to be explained")
	}
}

// remembered is a store that has seen everything of a hunt some days before, too.
func remembered(t *testing.T, past *Result, days int) *firstseen.Store {
	t.Helper()
	path, now := t.TempDir()+"/first-seen", past.Reading.Window.End
	seen := func(yield func(string, firstseen.Span) bool) {
		for what, span := range past.Seen {
			if !yield(what, firstseen.Span{First: span.First - int64(days)*86_400_000, Last: span.Last}) {
				return
			}
		}
	}
	_, err := firstseen.Feed(path, seen, now)
	require.NoError(t, err)
	store, err := firstseen.Open(path)
	require.NoError(t, err)
	return store
}

// TestCatalogueExplainsNoImplant: the pairs that the captures' truth.json name malicious keep their severity.
func TestCatalogueExplainsNoImplant(t *testing.T) {
	long(t)
	for path, tc := range map[string]struct {
		destinations []string
		least        int
	}{
		"iot23-8-1-hakai":  {[]string{"178.128.185.250", "128.185.250.50"}, 2}, // dead: nobody answers, so medium at most
		"iot23-21-1-torii": {[]string{"66.85.157.90"}, 3},
		"ctu-kovter-009": {[]string{"189.241.104.183", "198.36.88.21", "82.245.149.235", "189.90.217.247", "91.82.226.222",
			"104.16.73.224", "198.144.30.128", "208.80.6.60"}, 2},
	} {
		found := map[string]hunt.Finding{}
		for _, f := range judged(t, path, "") {
			if f.Destination.IP.IsValid() {
				found[f.Destination.IP.String()] = f
			}
		}
		for _, dst := range tc.destinations {
			require.Equal(t, "none", found[dst].Dwell.Explained, "%s %s", path, dst)
			require.GreaterOrEqual(t, found[dst].Event.Severity, tc.least, "%s %s", path, dst)
		}
	}
}
