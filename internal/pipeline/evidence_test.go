package pipeline

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/evidence/catalogue"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/evidence/host"
	"dwell/internal/evidence/intel"
	"dwell/internal/evidence/owner"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// weighed hunts in log files, with some judges or without evidence.
func weighed(t *testing.T, dir string, judges []evidence.Judge, direction hunt.Direction, since time.Duration, internal ...netip.Prefix) *Result {
	t.Helper()
	o := Options{Ranking: rank.Ranking{Judges: judges}, MinScore: 0.2, Now: time.Now, Request: hunt.Request{Since: since, Scope: hunt.NewScope(internal, direction)}}
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), o)
	require.NoError(t, err)
	return res
}

// protocolAlone is the judge of protocol behavior.
func protocolAlone() []evidence.Judge { return []evidence.Judge{protocol.Judge{}} }

// allJudges are those that a hunt has by default, in their order, with an empty store, no lists and no databases.
func allJudges(t *testing.T) []evidence.Judge {
	t.Helper()
	known, err := catalogue.Load("")
	require.NoError(t, err)
	store, err := firstseen.Open(filepath.Join(t.TempDir(), "first-seen"))
	require.NoError(t, err)
	return []evidence.Judge{firstseen.Judge{Store: store}, protocol.Judge{}, owner.Judge{Files: owner.Open("", "")},
		intel.Load(t.Context(), nil, &intel.Feeds{}), known, host.Judge{}}
}

// labeled is a capture with the pairs that its truth.json names malicious.
type labeled struct {
	dir       string
	direction hunt.Direction
	internal  []netip.Prefix
	// pairs by source, then destination: an address, or a name where a proxy is between.
	pairs [][2]string
}

func readTruth(t *testing.T, dir string) labeled {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	require.NoError(t, err)
	var truth struct {
		Internal  []netip.Prefix `json:"internal"`
		Direction string         `json:"direction"`
		Malicious []struct {
			Source      string `json:"source"`
			Destination string `json:"destination"`
		} `json:"malicious"`
	}
	require.NoError(t, json.Unmarshal(raw, &truth))
	l := labeled{dir: dir, internal: truth.Internal}
	if truth.Direction != "" {
		l.direction, err = hunt.ParseDirection(truth.Direction)
		require.NoError(t, err)
	}
	for _, m := range truth.Malicious {
		l.pairs = append(l.pairs, [2]string{m.Source, m.Destination})
	}
	return l
}

// ranked demands docs/facts/scoring.md, 8: every labeled pair is among the strongest max(5, number of such pairs)
// unexplained findings.
func (l *labeled) ranked(t *testing.T, findings []hunt.Finding) {
	t.Helper()
	require.NotEmpty(t, l.pairs)
	var top []string
	for _, f := range findings {
		if f.Dwell.Explained == "none" && len(top) < 2*max(5, len(l.pairs)) { // each stands there by address and by name
			top = append(top, f.Source.IP.String()+">"+f.Destination.IP.String(), f.Source.IP.String()+">"+f.Destination.Domain)
		}
	}
	for _, p := range l.pairs {
		require.Contains(t, top, p[0]+">"+p[1])
	}
}

// TestTruthWithProtocol: with protocol behavior, every labeled pair is where it has to be in its newest 24 hours, and
// no weaker than without.
func TestTruthWithProtocol(t *testing.T) {
	root := captures(t)
	for _, name := range []string{"ctu-kovter-009", "iot23-8-1-hakai", "iot23-21-1-torii"} {
		t.Run(name, func(t *testing.T) {
			l := readTruth(t, filepath.Join(root, name))
			without := map[string]float64{}
			for _, f := range weighed(t, l.dir, nil, l.direction, 24*time.Hour, l.internal...).Findings {
				without[f.Dwell.Pair] = f.Dwell.Score
			}
			with := weighed(t, l.dir, protocolAlone(), l.direction, 24*time.Hour, l.internal...).Findings
			for _, f := range with {
				require.GreaterOrEqual(t, f.Dwell.Score, without[f.Dwell.Pair], "what the protocol says never lowers a score")
			}
			l.ranked(t, with)
			// Hakai's servers were dead: all that goes to them is S0, as its conn.log shows. The other servers
			// answered.
			for _, f := range with {
				if slices.Contains(l.pairs, [2]string{f.Source.IP.String(), f.Destination.IP.String()}) {
					dead := slices.ContainsFunc(f.Dwell.Modifiers, func(m hunt.Modifier) bool { return m.Name == evidence.Unanswered })
					require.Equal(t, name == "iot23-8-1-hakai", dead, f.Dwell.Pair)
				}
			}
		})
	}
}

// TestTruthWithAllJudges is the same with everything that raises and lowers a score, over every capture that has a
// truth: also the server's own sensor (missing_host: RITA's README names the implant) and the implant behind a proxy.
func TestTruthWithAllJudges(t *testing.T) {
	root := captures(t)
	cases := map[string]labeled{"rita/proxy": {dir: filepath.Join(root, "rita", "proxy"), pairs: [][2]string{{"10.136.0.18", "www.honestimnotevil.com"}}}}
	for _, name := range []string{"ctu-kovter-009", "iot23-8-1-hakai", "iot23-21-1-torii", "rita/missing_host"} {
		cases[name] = readTruth(t, filepath.Join(root, filepath.FromSlash(name)))
	}
	for name, l := range cases {
		t.Run(name, func(t *testing.T) {
			l.ranked(t, weighed(t, l.dir, allJudges(t), l.direction, 24*time.Hour, l.internal...).Findings)
		})
	}
}

// TestBenignWithProtocol: on the benign days of two desktops the protocol makes nothing high that was not, but for
// Apple's push service, which speaks TLS without a name on its own port.
func TestBenignWithProtocol(t *testing.T) {
	root := captures(t)
	internal := netip.MustParsePrefix("147.32.80.0/20") // their truth.json
	for name, raised := range map[string][]string{
		"ctu-normal-008": nil,
		"ctu-normal-011": {"147.32.83.165>17.57.146.22:5223/tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			before := map[string]int{}
			for _, f := range weighed(t, filepath.Join(root, name), nil, hunt.Outbound, 0, internal).Findings {
				before[f.Dwell.Pair] = f.Event.Severity
			}
			const high = 3
			var got []string
			for _, f := range weighed(t, filepath.Join(root, name), protocolAlone(), hunt.Outbound, 0, internal).Findings {
				if f.Event.Severity >= high && before[f.Dwell.Pair] < high {
					got = append(got, f.Dwell.Pair)
				}
			}
			require.Equal(t, raised, got)
		})
	}
}

// TestImplantAgainstUpdates: programs with the same beat. The implant has a server of its own, gives no name, has a
// fingerprint of its own and signs its own certificate, and so does the one that forges the name of Windows Update; the
// updates are everybody's, or go to Microsoft's own network. The whole hunt, with Elasticsearch too, is in
// cmd/dwell/testdata/cluster/implants.txtar.
func TestImplantAgainstUpdates(t *testing.T) {
	known, err := catalogue.Load("")
	require.NoError(t, err)
	f, err := os.Open("../../integration/testdata/protocol.yaml")
	require.NoError(t, err)
	defer f.Close()
	sc, err := simulate.Parse(f)
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = simulate.Run(t.Context(), sc, dir, simulate.Format{})
	require.NoError(t, err)
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), Options{Ranking: rank.Ranking{Judges: []evidence.Judge{protocol.Judge{}, known}}, MinScore: 0.2, Now: time.Now,
		Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
	require.NoError(t, err)
	first := map[string]*hunt.Finding{}
	for i := range res.Findings {
		f := &res.Findings[i]
		for _, side := range []string{f.Destination.IP.String(), f.Destination.Domain} {
			if first[side] == nil {
				first[side] = f
			}
		}
	}
	implant := first["203.0.113.7"]
	require.NotNil(t, implant)
	require.Equal(t, "critical", implant.Dwell.Severity)
	reasons := strings.Join(implant.Dwell.Reasons, "\n")
	for _, why := range []string{"self-signed certificate", "without a server name", "prevalence 1 of", "unique"} {
		require.Contains(t, reasons, why)
	}
	require.Equal(t, 1, strings.Count(reasons, "bytes"), "sizes are told once: %s", reasons)
	c := implant.Dwell.Evidence.Protocol.Certificate
	require.NotNil(t, c)
	require.Equal(t, c.Subject, c.Issuer)
	require.NotEmpty(t, c.Hash)
	require.NotNil(t, c.NotAfter)
	require.Equal(t, []string{evidence.NoName, evidence.NeverResolved, evidence.SelfSigned, evidence.RareClient, evidence.SameSize}, implant.Dwell.Evidence.Protocol.Oddities)

	forged := first["download.windowsupdate.com"]
	require.NotNil(t, forged)
	require.Equal(t, "critical", forged.Dwell.Severity)
	require.Equal(t, "none", forged.Dwell.Explained)

	// Microsoft's own network explains strongly; that everybody uses the other, without a past, only that a critical
	// one is high.
	for name, want := range map[string][2]string{"fe2cr.update.microsoft.com": {"high", "weak"}, "fe3.delivery.mp.microsoft.com": {"low", "strong"}} {
		update := first[name]
		require.NotNil(t, update, name)
		require.Equal(t, want, [2]string{update.Dwell.Severity, update.Dwell.Explained}, name)
		require.Contains(t, strings.Join(update.Dwell.Reasons, "\n"), "known service: Windows Update")
		require.Contains(t, update.Dwell.Evidence.Names, name)
	}
}
