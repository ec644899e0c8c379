package integration_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/integration/testnode"
	"dwell/internal/evidence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// The JA3s of the implants in testdata/roaming.yaml whose records lose fields in withoutFingerprints.
const (
	ja3Old  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	ja3None = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// withoutFingerprints removes JA4 from one implant's TLS records, and JA3 too from another's, like sensors without
// those packages.
func withoutFingerprints(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		var r map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(line, &r))
		switch ja3 := string(r["ja3"]); ja3 {
		case `"` + ja3Old + `"`:
			delete(r, "ja4")
		case `"` + ja3None + `"`:
			delete(r, "ja4")
			delete(r, "ja3")
		}
		b, err := json.Marshal(r)
		require.NoError(t, err)
		out.Write(append(b, '\n'))
	}
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
}

// Three implants move between networks without a server name: each is one finding by its TLS fingerprint (JA4, JA3, or
// none), from files and from Elasticsearch.
func TestRoamingImplantIsOneFinding(t *testing.T) {
	dir := t.TempDir()
	labels := simulatedAs(t, dir, "testdata/roaming.yaml", simulate.Format{JSON: true})
	withoutFingerprints(t, filepath.Join(dir, "ssl.log"))
	want := map[string]string{ // implant: the end of its pair
		"roaming": "#ja4=t12i190800_d83cc789557e_16bbda4055b2", "older": "#ja3=" + ja3Old, "bare": "#no-server-name",
	}
	o := huntOf(rank.Ranking{Judges: []evidence.Judge{protocol.Judge{}}}, labels.Window)
	o.MinScore = 0.2
	check := func(t *testing.T, src hunt.Source) map[string]hunt.Finding {
		t.Helper()
		res := run(t, src, o)
		require.Empty(t, res.Reading.Gaps)
		found := byPair(res)
		for _, label := range labels.Implants {
			pair := label.Sources[0].String() + ">*:443/tcp" + want[label.Name]
			f, ok := found[pair]
			if label.Name == "bare" { // that it shows nothing identifies it less than servers no other host uses
				for _, lead := range found {
					if slices.Contains(lead.Dwell.Also, pair) {
						require.Contains(t, lead.Dwell.Pair, "#unshared")
						require.Equal(t, "critical", lead.Dwell.Severity)
						require.InDelta(t, 600, *lead.Beacon.Period, 60)
						ok = true
					}
				}
				require.True(t, ok, pair)
				continue
			}
			require.True(t, ok, "%s: %v", pair, found)
			require.Equal(t, "critical", f.Dwell.Severity)
			require.InDelta(t, 600, *f.Beacon.Period, 60) // its jitter is 10%
			require.False(t, f.Destination.IP.IsValid())
			require.Equal(t, want[label.Name][1:], f.Dwell.Destination.Fingerprint)
			require.Equal(t, 12, f.Dwell.Evidence.AddressCount)
			require.NotEmpty(t, f.Log.ID.UID)
			require.NotZero(t, f.Source.Port)
			for other := range found {
				for _, dst := range f.Dwell.Evidence.Addresses {
					require.NotContains(t, other, ">"+dst.String(), "its addresses are no findings of their own")
				}
			}
		}
		return found
	}
	files := zeek.New(zeek.Options{Paths: []string{dir}})
	fromFiles := check(t, wholeSeconds{files})

	fromIndex := check(t, loaded(t, cluster(t, testnode.Line8), dir))
	require.Len(t, fromIndex, len(fromFiles))
	for pair, f := range fromFiles {
		g, ok := fromIndex[pair]
		require.True(t, ok, pair)
		require.InDelta(t, f.Dwell.Score, g.Dwell.Score, 1e-9, pair)
		require.Equal(t, f.Dwell.Also, g.Dwell.Also, pair)
		require.Equal(t, f.Dwell.Links, g.Dwell.Links, pair)
	}
}
