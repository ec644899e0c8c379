package intel

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

func list(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func notes(l *Lists) string {
	var b strings.Builder
	for _, n := range l.notes {
		fmt.Fprintln(&b, n)
	}
	return b.String()
}

const (
	ja3Of  = "72a589da586844d7f0818ce684948eea"
	ja4Of  = "t13d1516h2_8daaf6152771_e5627efa2ab1"
	hashOf = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

func judged(t *testing.T, l *Lists, name, dst string, p *hunt.Protocol) *hunt.Finding {
	t.Helper()
	a := netip.MustParseAddr(dst)
	f := &hunt.Finding{Destination: hunt.Destination{IP: a, Domain: name}}
	s := evidence.NewCandidate(hunt.PairKey{Src: netip.MustParseAddr("10.0.0.1"), Dst: a, Name: name}, scoring.Indicators{Beacon: 0.5}, f, nil)
	f.Dwell.Evidence.Protocol = p
	_, err := l.Judge(t.Context(), nil, []*evidence.Candidate{s})
	require.NoError(t, err)
	s.Settle()
	return f
}

// All forms of a plain list; the score of a hit is 0.5 + 0.25 (docs/facts/scoring.md, 5).
func TestPlainList(t *testing.T) {
	l := Load(t.Context(), []string{list(t, "c2.txt", "\xef\xbb\xbf# C2 servers\n203.0.113.7  # beacon\n198.51.100.0/24\n2001:db9::/48\n198.18.5.6:4444\nEvil.Example.\n*.bad.example\n"+
		"http://drop.example:8080/x.php\n0.0.0.0 sink.example\n"+ja3Of+"\n"+ja4Of+"\n"+strings.ToUpper(hashOf)+"\n\n203.0.113.7\n")}, nil)
	require.Empty(t, l.notes)
	require.Equal(t, 11, l.Len(), "what comes twice counts once")
	for _, tc := range []struct{ name, dst, indicator, kind string }{
		{"", "203.0.113.7", "203.0.113.7", "address"}, {"", "198.51.100.9", "198.51.100.0/24", "address"}, {"", "2001:db9:0:1::1", "2001:db9::/48", "address"},
		{"", "198.18.5.6", "198.18.5.6", "address"}, {"evil.example", "192.0.2.1", "evil.example", "domain"}, {"a.bad.example", "192.0.2.1", "bad.example", "domain"},
		{"drop.example", "192.0.2.1", "drop.example", "domain"}, {"sink.example", "192.0.2.1", "sink.example", "domain"},
	} {
		f := judged(t, l, tc.name, tc.dst, nil)
		require.Equal(t, []hunt.IntelHit{{Indicator: tc.indicator, Type: tc.kind, List: "c2.txt"}}, f.Dwell.Evidence.Intel)
		require.InDelta(t, 0.5+0.5*0.25/0.6, f.Dwell.Score, 1e-9)
		require.Contains(t, f.Dwell.Reasons[0], tc.indicator)
	}
	f := judged(t, l, "", "192.0.2.1", &hunt.Protocol{JA3: []string{ja3Of}, JA4: []string{ja4Of}, Certificate: &hunt.CertificateSeen{Hash: hashOf}})
	require.Len(t, f.Dwell.Evidence.Intel, 3)
	require.InDelta(t, 0.5+0.5*0.25/0.6, f.Dwell.Score, 1e-9, "several hits are one term")
	for _, clean := range []string{"notevil.example", "evil.example.net", "example"} {
		require.Empty(t, judged(t, l, clean, "192.0.2.1", nil).Dwell.Evidence.Intel, clean)
	}
}

// Reports, Zeek's intelligence files and CSV files write indicators in their own ways.
func TestSpellings(t *testing.T) {
	for _, line := range []string{"evil[.]example", "Evil(.)Example", "evil[dot]example", "hxxp://evil.example/x", "hxxps://evil[.]example:8443/x", "hxxps[://]evil[.]example", "hxxp[:]//evil[.]example/",
		"evil.example/gate.php?id=1", "evil.example\tIntel::DOMAIN\tfeed\t-", `"evil.example"`, "https://evil.example#seen in May"} {
		l := Load(t.Context(), []string{list(t, "a.txt", line+"\n")}, nil)
		require.Empty(t, l.notes, line)
		require.NotEmpty(t, judged(t, l, "www.evil.example", "192.0.2.1", nil).Dwell.Evidence.Intel, line)
	}
	for _, line := range []string{"203.0.113[.]7", "203[.]0[.]113[.]7:443", "hxxp://203.0.113.7/x", "203.0.113.7/gate.php"} {
		l := Load(t.Context(), []string{list(t, "a.txt", line+"\n")}, nil)
		require.NotEmpty(t, judged(t, l, "", "203.0.113.7", nil).Dwell.Evidence.Intel, line)
	}
	for line, why := range map[string]string{"2026-01-01,203.0.113.7,botnet": "give its column as PATH#COLUMN", "203.0.113.7/33": "is not an address", "/x": "would match every name"} {
		l := Load(t.Context(), []string{list(t, "a.txt", line+"\n")}, nil)
		require.Zero(t, l.Len(), line)
		require.Contains(t, notes(l), why, line)
	}
}

func TestColumn(t *testing.T) {
	csv := list(t, "feed.csv", "# abuse\nfirst_seen,dst_ip,port\n2026-01-01,203.0.113.7,443\n2026-01-01,\"203.0.113.8\",443\n")
	for _, column := range []string{"DST_IP", "2"} {
		l := Load(t.Context(), []string{csv + "#" + column}, nil)
		require.NotEmpty(t, judged(t, l, "", "203.0.113.8", nil).Dwell.Evidence.Intel)
		require.Empty(t, judged(t, l, "", "203.0.113.9", nil).Dwell.Evidence.Intel)
	}
	require.Contains(t, notes(Load(t.Context(), []string{csv + "#nothing"}, nil)), `has no column "nothing"; its first line has first_seen, dst_ip, port`)
}

// Each kind of catch-all is reported once and left out, and the rest of the list applies.
func TestCatchAlls(t *testing.T) {
	l := Load(t.Context(), []string{list(t, "bad.txt", "0.0.0.0/0\n::/0\n1.0.0.0/4\n10.0.0.0/8\n192.168.1.1\n127.0.0.1\n*\ncom\nco.uk\nblogspot.com\nhello world!\n!!\n203.0.113.7\n")}, nil)
	require.Equal(t, 1, l.Len())
	require.Len(t, l.notes, 5, notes(l))
	require.Contains(t, notes(l), `left out 3 indicators, the first "0.0.0.0/0": it would match a large part of the Internet`)
	require.Contains(t, notes(l), `left out 3 indicators, the first "10.0.0.0/8": it is a private or reserved network`)
	require.Contains(t, notes(l), `"*": it would match every name`)
	for _, dst := range []string{"8.8.8.8", "10.1.1.1"} {
		require.Empty(t, judged(t, l, "www.example.com", dst, nil).Dwell.Evidence.Intel)
	}
	require.NotEmpty(t, judged(t, l, "", "203.0.113.7", nil).Dwell.Evidence.Intel)
}

func TestListsThatAreNone(t *testing.T) {
	good := list(t, "good.txt", "203.0.113.7\n")
	big := list(t, "big.txt", "")
	require.NoError(t, os.Truncate(big, maxBytes+1)) // a sparse file
	for name, tc := range map[string]struct{ path, want string }{
		"page": {list(t, "a.txt", "\n <!DOCTYPE html><html>"), "is a web page"}, "empty": {list(t, "b.txt", "# nothing\n"), "holds no indicator"},
		"missing": {"/nowhere/list.txt", "no such file"}, "gigabyte": {big, "is larger than 64 MiB"},
	} {
		l := Load(t.Context(), []string{tc.path, good}, nil)
		require.Len(t, l.notes, 1, name)
		require.Contains(t, notes(l), tc.want, name)
		require.NotEmpty(t, judged(t, l, "", "203.0.113.7", nil).Dwell.Evidence.Intel, name)
	}
}

func TestRevisionFollowsTheContent(t *testing.T) {
	require.Empty(t, Load(t.Context(), nil, nil).Revision())
	path := list(t, "a.txt", "203.0.113.7\n")
	first := Load(t.Context(), []string{path}, nil).Revision()
	require.Equal(t, first, Load(t.Context(), []string{path}, nil).Revision())
	require.NoError(t, os.WriteFile(path, []byte("203.0.113.8\n"), 0o600))
	require.NotEqual(t, first, Load(t.Context(), []string{path}, nil).Revision())
}
