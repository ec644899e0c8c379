package pipeline

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// simulated is a made day of 100 workstations with its implants and fleets, and what is in it.
func simulated(t *testing.T) (dir string, labels *simulate.Labels) {
	t.Helper()
	sc := simulate.Default()
	sc.Hosts, sc.Start = 100, time.Date(2026, 9, 22, 0, 0, 0, 0, time.UTC)
	dir = t.TempDir()
	made, err := simulate.Run(t.Context(), sc, dir, simulate.Format{})
	require.NoError(t, err)
	return dir, made.Labels
}

// huntedIn hunts in a directory of logs with all judges; past is what was seen before, nil for nothing.
func huntedIn(t *testing.T, dir string, past *firstseen.Store) *Result {
	t.Helper()
	judges := allJudges(t)
	if past != nil {
		judges[0] = firstseen.Judge{Store: past}
	}
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), Options{Ranking: rank.Ranking{Judges: judges}, MinScore: 0.2, Now: time.Now, Remember: true,
		Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
	require.NoError(t, err)
	return res
}

// TestImplantsComeBeforeFleets: on a day of 100 hosts of which nothing is known yet, what implants do is above every
// campaign of a fleet, and no fleet is critical. After forty days each fleet is one campaign of medium at most.
func TestImplantsComeBeforeFleets(t *testing.T) {
	long(t)
	dir, labels := simulated(t)
	first := huntedIn(t, dir, nil)
	for i := range 50 {
		require.Greater(t, float32(first.Findings[i].Dwell.Score), float32(first.Findings[i+1].Dwell.Score), "no two of the first fifty tie")
	}
	fleets := func(res *Result) (out []hunt.Campaign) {
		for _, c := range res.Campaigns {
			for _, s := range labels.Services {
				if len(s.Sources) >= 3 && s.Domain != "" && strings.HasSuffix(s.Domain, c.Name) {
					out = append(out, c)
				}
			}
		}
		return out
	}
	worst := fleets(first)
	require.Len(t, worst, 8)
	for _, c := range worst {
		require.LessOrEqual(t, c.Score, 0.7, "%s: %v", c.Name, c.Reasons)
	}
	found := 0
	for _, i := range labels.Implants {
		if len(i.Sources) != 1 || i.Name == "dead-server" { // what nobody answers is medium at most
			continue
		}
		best := 0.0
		for _, f := range first.Findings {
			if f.Dwell.InternalIP == i.Sources[0] && (i.Domain == "" || strings.HasSuffix(i.Domain, domainName(&f)) || slices.Contains(i.Destinations, f.Destination.IP)) {
				best = max(best, f.Dwell.Score)
			}
		}
		if best == 0 {
			continue // behind the proxy, under another name
		}
		found++
		require.Greater(t, best, worst[0].Score, i.Name)
	}
	require.Greater(t, found, 9)
	later := huntedIn(t, dir, remembered(t, first, 40))
	consistent(t, "first day", first.Findings)
	consistent(t, "after forty days", later.Findings)
	for _, c := range fleets(later) {
		require.LessOrEqual(t, c.Score, 0.6, "%s: %v", c.Name, c.Reasons)
	}
}

// domainName is the name that a finding is about, without a star; "none" where it has none.
func domainName(f *hunt.Finding) string {
	if f.Destination.Domain == "" {
		return "none"
	}
	return strings.TrimPrefix(f.Destination.Domain, "*.")
}

// TestOutbreakWithoutOddity: the same implant behind the browser's own fingerprint, on a few of 66 hosts or on most of
// them. High on the first day, where nobody can know whether it was there before; not lowered at all on the tenth day
// of what came while the store watched.
func TestOutbreakWithoutOddity(t *testing.T) {
	long(t)
	for _, n := range []int{1, 3, 13, 50} {
		s := newStageOf(uint64(300+n), 66)
		for _, h := range s.hosts[:n] {
			s.every(300, .15, func(t float64) { s.tls(t, h, s.server, "own.example", s.of[h], 300+s.r.IntN(3000)) })
		}
		first := s.hunt(t, nil)
		tenth := s.hunt(t, reaching(t, first, 60, 10))
		for _, h := range s.hosts[:n] {
			before, after := loudest(first, h, s.server), loudest(tenth, h, s.server)
			require.GreaterOrEqual(t, before.Dwell.Score, 0.6, "%d hosts: %v", n, before.Dwell.Reasons)
			require.GreaterOrEqual(t, after.Dwell.Score, 0.6, "%d hosts, tenth day: %v", n, after.Dwell.Reasons)
			require.GreaterOrEqual(t, after.Dwell.Score, before.Dwell.Score, "%d hosts", n)
		}
		if n > 1 {
			require.Len(t, first.Campaigns, 1)
			require.EqualValues(t, n, first.Campaigns[0].HostCount)
		}
	}
}

// contradictions are reason codes of which no two may stand in one finding.
func contradictions() [][]string {
	return [][]string{
		{evidence.Rare, evidence.Common}, {evidence.New, evidence.Known}, {evidence.Expired, evidence.NotYetValid, evidence.IssuedToday}, {evidence.OddService, evidence.NoService},
		{evidence.NoName, evidence.OtherName}, {evidence.Intel, "benign_possible", "benign_likely"}, {evidence.Unanswered, evidence.Executable}, {evidence.Unanswered, evidence.Upload},
		{evidence.Unanswered, evidence.SelfSigned}, {evidence.Unanswered, evidence.WrongContent},
	}
}

// consistent demands that no reasons of a finding contradict each other, by code and by what they say.
func consistent(t *testing.T, what string, findings []hunt.Finding) {
	t.Helper()
	for _, f := range findings {
		for _, set := range contradictions() {
			n := 0
			for _, code := range set {
				if slices.Contains(f.Dwell.ReasonCodes, code) {
					n++
				}
			}
			require.LessOrEqual(t, n, 1, "%s %s: %v of %v", what, f.Dwell.Pair, f.Dwell.ReasonCodes, set)
		}
		text := strings.Join(f.Dwell.Reasons, "\n")
		const rare = "prevalence 1 of "
		for _, pair := range [][2]string{
			{rare, "hosts beacon to it at the same interval"}, {rare, "hosts use this server"}, {rare, "hosts contact it all day"}, {rare, "hosts hold long connections to it"},
			{"repeats by design", "usually carries"}, {"repeats by design", "unrecognized protocol"}, {"low at most", "medium at most"}, {"medium at most", "high at most"},
			{"no connection was answered", "known service"}, {"known service", "first seen today"},
		} {
			alone := strings.Contains(text, pair[0])
			if pair[0] == rare {
				alone = slices.ContainsFunc(f.Dwell.Reasons, func(r string) bool {
					return strings.HasPrefix(r, rare) && !strings.Contains(r, " with this ") && !strings.Contains(r, " for all ")
				})
			}
			require.False(t, alone && strings.Contains(text, pair[1]), "%s %s:\n%s", what, f.Dwell.Pair, text)
		}
		require.False(t, f.Dwell.Explained == "strong" && f.Event.Severity > 2, "%s %s: explained well, and %s", what, f.Dwell.Pair, f.Dwell.Severity)
		require.False(t, f.Dwell.Explained != "none" && f.Event.Severity > 3, "%s %s: explained, and critical:\n%s", what, f.Dwell.Pair, text)
	}
}

// TestReasonsDoNotContradict: over the captures; TestImplantsComeBeforeFleets has days with and without history.
func TestReasonsDoNotContradict(t *testing.T) {
	for path, internal := range map[string]string{
		"ctu-normal-008": "147.32.80.0/20", "ctu-normal-011": "147.32.80.0/20", "rita/office_http/http.log.gz": "", "iot23-8-1-hakai": "", "iot23-21-1-torii": "", "ctu-kovter-009": "",
	} {
		consistent(t, path, judged(t, path, internal))
	}
}

// reaching is a store that reaches back reach days, and has seen what a hunt saw some days before.
func reaching(t *testing.T, past *Result, reach, days int) *firstseen.Store {
	t.Helper()
	store := remembered(t, past, days)
	path, end := t.TempDir()+"/first-seen", past.Reading.Window.End
	_, err := firstseen.Feed(path, func(yield func(string, firstseen.Span) bool) {
		old := end.AddDate(0, 0, -reach).UnixMilli()
		if !yield("old.example", firstseen.Span{First: old, Last: old}) {
			return
		}
		for what, span := range past.Seen {
			if seen, ok := store.Seen(what); ok && !yield(what, firstseen.Span{First: seen.First, Last: span.Last}) {
				return
			}
		}
	}, end)
	require.NoError(t, err)
	store, err = firstseen.Open(path)
	require.NoError(t, err)
	return store
}

// TestOrderMovesEachFindingOnce compares order with a stable sort of pointers, on findings with many equal parts.
func TestOrderMovesEachFindingOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 3, 1000} {
		list, want := make([]hunt.Finding, n), make([]*hunt.Finding, n)
		for i := range list {
			f := &list[i]
			f.Dwell.Score, f.Dwell.Parts.Strobe, f.Dwell.Pair = float64(r.IntN(4))/4, float64(r.IntN(3))/3, fmt.Sprint(i)
			of := *f
			want[i] = &of
		}
		slices.SortStableFunc(want, func(a, b *hunt.Finding) int {
			return cmp.Or(cmp.Compare(b.Dwell.Score, a.Dwell.Score), cmp.Compare(b.Dwell.Parts.Strobe, a.Dwell.Parts.Strobe), cmp.Compare(a.Dwell.Pair, b.Dwell.Pair))
		})
		order(list, rank.Ranking{})
		for i := range list {
			require.Equal(t, *want[i], list[i])
		}
	}
}
