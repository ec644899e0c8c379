package store

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// pairs gives the findings' pairs, in order.
func pairs(l List) []string {
	out := []string{}
	for _, f := range l.Findings {
		out = append(out, f.Dwell.Pair)
	}
	return out
}

// TestFindingsFilters writes three hourly hunts over a day each and asks for parts of them. The expected lists are
// worked out by hand from what is added below.
func TestFindingsFilters(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{})
		const (
			a = "10.1.1.1>203.0.113.7"
			b = "10.1.1.2>203.0.113.8"
			d = "[fd00::5]>[2001:db8::1]"
			e = "10.1.1.1>198.51.100.9"
		)
		var hunts []*sampleHunt
		for i := range 3 {
			h := &sampleHunt{name: t.Name(), revision: "a", hours: i}
			h.name += string(rune('0' + i))
			// a is high, then low; b low, then critical; d in the first hunt only; e always.
			h.add("10.1.1.1", "203.0.113.7", []float64{0.7, 0.7, 0.3}[i])
			h.add("10.1.1.2", "203.0.113.8", []float64{0.3, 0.9, 0.9}[i]).Destination.Domain = "cdn.evil.example"
			if i == 0 {
				f := h.add("fd00::5", "2001:db8::1", 0.5)
				f.Dwell.Indicators, f.Dwell.Safelisted = []string{hunt.LongConnection}, true
			}
			f := h.add("10.1.1.1", "198.51.100.9", 0.65)
			f.Network.Bytes, f.Destination.Domain = 10, "notevil.example"
			hunts = append(hunts, h)
			_, err := store.Write(t.Context(), h.findings, h.document(begin.Add(time.Duration(30+i)*time.Hour)))
			require.NoError(t, err)
		}
		for _, q := range []struct {
			name   string
			filter Filter
			want   []string
		}{
			{"each story in its latest finding, strongest first", Filter{}, []string{b, e, d, a}},
			{"high is asked of the latest finding: a was high once", Filter{MinSeverity: 3}, []string{b, e}},
			{"score", Filter{MinScore: 0.5}, []string{b, e, d}},
			{"source address", Filter{Source: netip.MustParsePrefix("10.1.1.1/32")}, []string{e, a}},
			{"source network", Filter{Source: netip.MustParsePrefix("10.1.1.3/30")}, []string{b, e, a}},
			{"source IPv6", Filter{Source: netip.MustParsePrefix("fd00::/8")}, []string{d}},
			{"destination network", Filter{Destination: netip.MustParsePrefix("203.0.113.0/24")}, []string{b, a}},
			{"name and what is below it", Filter{Domain: "evil.example"}, []string{b}},
			{"name itself", Filter{Domain: "CDN.evil.example."}, []string{b}},
			{"a name is no pattern", Filter{Domain: "*.example"}, []string{}},
			{"since", Filter{Since: begin.Add(25*time.Hour - time.Minute)}, []string{b, e, a}},
			{"until", Filter{Until: begin.Add(25*time.Hour - time.Minute)}, []string{a, e, d, b}},
			{"one hunt", Filter{HuntID: hunts[1].id()}, []string{b, a, e}},
			{"one story", Filter{FindingID: hunts[0].findings[2].Dwell.FindingID}, []string{d}},
			{"indicator", Filter{Indicators: []string{hunt.LongConnection}}, []string{d}},
			{"safelisted hidden", Filter{HideSafelisted: true}, []string{b, e, a}},
			{"by time", Filter{Sort: ByTime}, []string{b, e, a, d}},
			{"by source", Filter{Sort: BySource}, []string{e, a, b, d}},
			{"by destination", Filter{Sort: ByDestination}, []string{e, a, b, d}},
			{"by bytes", Filter{Sort: ByBytes}, []string{b, d, a, e}},
			{"every hunt", Filter{Every: true}, []string{b, b, a, a, e, e, e, d, a, b}},
			{"every hunt, high", Filter{Every: true, MinSeverity: 3}, []string{b, b, a, a, e, e, e}},
			{"every hunt, parts", Filter{Every: true, HideSafelisted: true, Indicators: []string{hunt.Beacon}, MinScore: 0.66}, []string{b, b, a, a}},
		} {
			t.Run(q.name, func(t *testing.T) {
				list, err := store.Findings(t.Context(), q.filter)
				require.NoError(t, err)
				require.Equal(t, q.want, pairs(list))
				require.Equal(t, len(q.want), list.Total)
				require.Zero(t, list.Unfinished)
			})
		}
		t.Run("limit says what it cuts", func(t *testing.T) {
			for _, every := range []bool{false, true} {
				list, err := store.Findings(t.Context(), Filter{Limit: 2, Every: every})
				require.NoError(t, err)
				require.Len(t, list.Findings, 2)
				require.Equal(t, map[bool]int{false: 4, true: 10}[every], list.Total)
			}
		})
		t.Run("what comes back is what was written", func(t *testing.T) {
			list, err := store.Findings(t.Context(), Filter{Every: true, HuntID: hunts[0].id(), Sort: BySource})
			require.NoError(t, err)
			want := hunts[0].findings
			less := cmpopts.SortSlices(func(x, y hunt.Finding) bool { return x.Dwell.Pair < y.Dwell.Pair })
			require.Empty(t, cmp.Diff(want, list.Findings, less, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})))
		})
		t.Run("hunts, newest first", func(t *testing.T) {
			for n, want := range map[int]int{0: 3, 2: 2, 9: 3} {
				got, err := store.Hunts(t.Context(), n)
				require.NoError(t, err)
				require.Len(t, got, want)
				require.Equal(t, hunts[2].id(), got[0].Dwell.HuntID)
				require.Equal(t, int64(123456789012), got[0].Dwell.Hunt.Connections)
			}
		})
	})
}

// TestFindingsOfMoreThanAPage reads more stories and more findings than one answer holds.
func TestFindingsOfMoreThanAPage(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{})
		h := &sampleHunt{name: t.Name(), revision: "a"}
		h.many(pageSize + 17)
		_, err := store.Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		require.Greater(t, len(h.findings), 2*findingsPerPage)
		for _, every := range []bool{false, true} {
			list, err := store.Findings(t.Context(), Filter{Every: every})
			require.NoError(t, err)
			require.Equal(t, len(h.findings), list.Total)
			seen := map[string]bool{}
			for i, f := range list.Findings {
				seen[f.Event.ID] = true
				if i > 0 {
					require.LessOrEqual(t, f.Dwell.Score, list.Findings[i-1].Dwell.Score)
				}
			}
			require.Len(t, seen, len(h.findings))
		}
		again, err := store.Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		require.Equal(t, len(h.findings), again.Findings.Existing)
	})
}

// TestFindingsOfAnUnfinishedHunt: a hunt that was killed before its own document was written is shown, and counted.
func TestFindingsOfAnUnfinishedHunt(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{})
		done := (&sampleHunt{name: t.Name() + "1", revision: "a"}).many(2)
		_, err := store.Write(t.Context(), done.findings, done.document(begin))
		require.NoError(t, err)
		killed := &sampleHunt{name: t.Name() + "2", revision: "a"}
		killed.add("10.7.7.7", "203.0.113.70", 0.9)
		network, err := es.Network(c.cfg)
		require.NoError(t, err)
		fake := (&estest.Fake{Next: network}).When(func(r estest.Request) bool { return r.Is(soconfig.HuntStream + "/_bulk") },
			estest.Flood(), estest.Flood())
		client := c.with(t, func(cfg *es.Config) { cfg.Transport = fake })
		report, err := New(client, Options{}).Write(t.Context(), killed.findings, killed.document(begin))
		require.True(t, es.Is(err, es.ClusterBlock), "%v", err)
		require.ErrorContains(t, err, "its findings are written but the hunt is not committed")
		require.Equal(t, 1, report.Findings.Acked)

		c.do(t, "POST", "/"+soconfig.FindingStream+"/_refresh", "")
		list, err := store.Findings(t.Context(), Filter{})
		require.NoError(t, err)
		require.Len(t, list.Findings, 3)
		require.Equal(t, 1, list.Unfinished)
		require.Equal(t, 1, list.Hunts)
	})
}

func TestFilterMistakes(t *testing.T) {
	_, err := New(nil, Options{}).Findings(t.Context(), Filter{MinSeverity: 5, MinScore: 2, Limit: -1, Sort: "size",
		Since: begin, Until: begin.Add(-time.Hour)})
	for _, want := range []string{"severity 5", "score 2", "limit -1", `order "size"`, "is not after since"} {
		require.ErrorContains(t, err, want)
	}
}

// TestAPartialAnswerIsNoList: a list with a shard missing would look complete.
func TestAPartialAnswerIsNoList(t *testing.T) {
	for name, reply := range map[string]estest.Reply{
		"shard failed": estest.ShardFailed(1, 2, "exception", "shard is away"), "timed out": estest.TimedOut(),
	} {
		t.Run(name, func(t *testing.T) {
			client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, MaxRetries: -1,
				Transport: &estest.Fake{Handle: func(int, estest.Request) estest.Reply { return reply }}})
			require.NoError(t, err)
			list, err := New(client, Options{}).Findings(t.Context(), Filter{})
			require.Error(t, err)
			require.Empty(t, list.Findings)
		})
	}
}
