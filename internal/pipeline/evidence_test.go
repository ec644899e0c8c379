package pipeline

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/catalogue"
	"dwell/internal/evidence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// weighed hunts in log files, with the judge of protocol behaviour or without evidence.
func weighed(t *testing.T, dir string, with bool, direction hunt.Direction, since time.Duration, internal ...netip.Prefix) *Result {
	t.Helper()
	o := Options{Profile: ProfileDwell, MinScore: 0.2, Now: time.Now, Request: hunt.Request{Since: since, Scope: hunt.NewScope(internal, direction)}}
	if with {
		o.Judges = []evidence.Judge{protocol.Judge{}}
	}
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), o)
	require.NoError(t, err)
	return res
}

// TestTruthWithProtocol: with evidence, every pair that a truth.json names is among the strongest max(5, number of such pairs)
// unexplained findings of its 24 hours (docs/scoring.md, 8), and no weaker than without.
func TestTruthWithProtocol(t *testing.T) {
	root := captures(t)
	for _, name := range []string{"ctu-kovter-009", "iot23-8-1-hakai", "iot23-21-1-torii"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(root, name)
			raw, err := os.ReadFile(filepath.Join(dir, "truth.json"))
			require.NoError(t, err)
			var truth struct {
				Internal  []netip.Prefix `json:"internal"`
				Malicious []struct {
					Source      netip.Addr `json:"source"`
					Destination netip.Addr `json:"destination"`
				} `json:"malicious"`
			}
			require.NoError(t, json.Unmarshal(raw, &truth))
			require.NotEmpty(t, truth.Malicious)
			without := map[string]float64{}
			for _, f := range weighed(t, dir, false, hunt.Outbound, 24*time.Hour, truth.Internal...).Findings {
				without[f.Dwell.Pair] = f.Dwell.Score
			}
			var top []hunt.Finding
			for _, f := range weighed(t, dir, true, hunt.Outbound, 24*time.Hour, truth.Internal...).Findings {
				require.GreaterOrEqual(t, f.Dwell.Score, without[f.Dwell.Pair], "what the protocol says never lowers a score")
				if f.Dwell.Explained == "none" && len(top) < max(5, len(truth.Malicious)) {
					top = append(top, f)
				}
			}
			for _, m := range truth.Malicious {
				found := false
				for _, f := range top {
					found = found || f.Source.IP == m.Source && f.Destination.IP == m.Destination
				}
				require.True(t, found, "%s > %s is not among the first %d", m.Source, m.Destination, len(top))
			}
		})
	}
}

// TestBenignWithProtocol: on the benign days of two desktops the protocol makes nothing high that was not, but for Apple's
// push service, which speaks TLS without a name on its own port.
func TestBenignWithProtocol(t *testing.T) {
	root := captures(t)
	internal := netip.MustParsePrefix("147.32.80.0/20") // their truth.json
	for name, raised := range map[string][]string{
		"ctu-normal-008": nil,
		"ctu-normal-011": {"147.32.83.165>17.57.146.22:5223/tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			before := map[string]int{}
			for _, f := range weighed(t, filepath.Join(root, name), false, hunt.Outbound, 0, internal).Findings {
				before[f.Dwell.Pair] = f.Event.Severity
			}
			const high = 3
			var got []string
			for _, f := range weighed(t, filepath.Join(root, name), true, hunt.Outbound, 0, internal).Findings {
				if f.Event.Severity >= high && before[f.Dwell.Pair] < high {
					got = append(got, f.Dwell.Pair)
				}
			}
			require.Equal(t, raised, got)
		})
	}
}

// TestImplantAgainstUpdates: programs with the same beat. The implant has a server of its own, gives no name, has a fingerprint of its
// own and signs its own certificate, and so does the one that forges the name of Windows Update; the updates are everybody's, or go to
// Microsoft's own network. The whole hunt, with Elasticsearch too, is in cmd/dwell/testdata/cluster/implants.txtar.
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
	res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{dir}}), Options{Profile: ProfileDwell, MinScore: 0.2, Now: time.Now,
		Judges: []evidence.Judge{protocol.Judge{}, known}, Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
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
	for _, why := range []string{"certificate is self-signed", "without a server name", "no other of", "fingerprint"} {
		require.Contains(t, reasons, why)
	}
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

	for _, name := range []string{"fe2cr.update.microsoft.com", "fe3.delivery.mp.microsoft.com"} {
		update := first[name]
		require.NotNil(t, update, name)
		require.Equal(t, "low", update.Dwell.Severity, name)
		require.Equal(t, "strong", update.Dwell.Explained, name)
		require.Contains(t, strings.Join(update.Dwell.Reasons, "\n"), "known service: Windows Update")
		require.Contains(t, update.Dwell.Evidence.Names, name)
	}
}
