package owner

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

// database writes a file in MaxMind's format with one network.
func database(t *testing.T, kind, network string, record mmdbtype.Map) string {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, BuildEpoch: 1_767_225_600, IncludeReservedNetworks: true})
	require.NoError(t, err)
	_, n, err := net.ParseCIDR(network)
	require.NoError(t, err)
	require.NoError(t, w.Insert(n, record))
	path := filepath.Join(t.TempDir(), kind+".mmdb")
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = w.WriteTo(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return path
}

func files(t *testing.T) *Files {
	return Open(database(t, "GeoLite2-ASN", "203.0.113.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500),
		"autonomous_system_organization": mmdbtype.String("Example Hosting")}),
		database(t, "GeoLite2-Country", "203.0.113.0/24", mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("NL")}}))
}

// cluster is a source of owners that records its requests.
type cluster struct {
	owners map[netip.Addr]hunt.Owner
	err    error
	asked  [][]netip.Addr
}

func (c *cluster) session() *hunt.Session {
	if c == nil {
		return &hunt.Session{}
	}
	return &hunt.Session{Owners: func(_ context.Context, _ hunt.Request, addrs []netip.Addr) (map[netip.Addr]hunt.Owner, hunt.Remarks, error) {
		c.asked = append(c.asked, addrs)
		return c.owners, hunt.Remarks{}, c.err
	}}
}

func subject(src, dst, name string, more ...netip.Addr) *evidence.Candidate {
	f := &hunt.Finding{Source: hunt.Originator{IP: netip.MustParseAddr(src)}, Destination: hunt.Destination{IP: netip.MustParseAddr(dst), Domain: name}}
	s := evidence.NewCandidate(hunt.PairKey{Src: f.Source.IP, Dst: f.Destination.IP, Name: name}, scoring.Indicators{Beacon: 0.5}, f, nil)
	f.Dwell.Evidence.Addresses = more
	return s
}

func judge(t *testing.T, j Judge, source *cluster, subjects ...*evidence.Candidate) []hunt.Note {
	t.Helper()
	h := &evidence.Hunt{Source: source.session(), Request: hunt.Request{From: time.Unix(0, 0), To: time.Unix(86400, 0), Scope: hunt.NewScope(nil, hunt.Outbound)}}
	remarks, err := j.Judge(t.Context(), h, subjects)
	require.NoError(t, err)
	for _, s := range subjects {
		s.Settle()
	}
	return slices.Concat(remarks.Notes, remarks.Gaps)
}

func TestFilesFirstThenTheSource(t *testing.T) {
	inFile, elsewhere := subject("10.0.0.1", "203.0.113.7", ""), netip.MustParseAddr("198.51.100.9")
	named := subject("10.0.0.1", elsewhere.String(), "a.example", elsewhere, netip.MustParseAddr("203.0.113.8"))
	inbound := subject("198.51.100.9", "10.0.0.1", "")
	unknown := subject("10.0.0.1", "192.0.2.1", "")
	source := &cluster{owners: map[netip.Addr]hunt.Owner{elsewhere: {ASN: 64501, Organization: "Other", Country: "DE"}}}
	j := Judge{Files: files(t)}
	require.Empty(t, judge(t, j, source, inFile, named, inbound, unknown))
	require.Equal(t, [][]netip.Addr{{netip.MustParseAddr("192.0.2.1"), elsewhere}}, source.asked, "once, and only what the files do not say")

	e := inFile.Finding.Dwell.Evidence
	require.Equal(t, &hunt.ASN{Number: 64500, Organization: "Example Hosting"}, e.ASN)
	require.Equal(t, "NL", e.Country)
	require.Equal(t, []string{"203.0.113.7 is in AS64500 (Example Hosting), NL"}, inFile.Finding.Dwell.Reasons)
	require.InDelta(t, 0.5, inFile.Finding.Dwell.Score, 1e-12, "it changes no score")
	e = named.Finding.Dwell.Evidence
	require.Equal(t, &hunt.ASN{Number: 64501, Organization: "Other"}, e.ASN)
	require.Empty(t, named.Finding.Dwell.Reasons, "the name says more")
	require.Equal(t, map[netip.Addr]int64{elsewhere: 64501, netip.MustParseAddr("203.0.113.8"): 64500}, named.AS)
	require.Equal(t, "DE", inbound.Finding.Dwell.Evidence.Country, "the other side of what comes in is the source")
	require.Nil(t, unknown.Finding.Dwell.Evidence.ASN)
	require.Empty(t, unknown.Finding.Dwell.Reasons)
	require.Equal(t, "GeoLite2-ASN 1767225600, GeoLite2-Country 1767225600", j.Revision())
}

func TestOneFileIsJoinedWithTheSource(t *testing.T) {
	a := netip.MustParseAddr("203.0.113.7")
	f := files(t)
	f.country = nil
	s := subject("10.0.0.1", a.String(), "")
	judge(t, Judge{Files: f}, &cluster{owners: map[netip.Addr]hunt.Owner{a: {ASN: 1, Organization: "older", Country: "BE"}}}, s)
	require.Equal(t, "Example Hosting", s.Finding.Dwell.Evidence.ASN.Organization)
	require.Equal(t, "BE", s.Finding.Dwell.Evidence.Country)
}

// What cannot be used is reported once, and the hunt continues.
func TestFilesThatAreNone(t *testing.T) {
	whole, err := os.ReadFile(database(t, "GeoLite2-ASN", "203.0.113.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)}))
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut.mmdb")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)/2], 0o600))
	country := database(t, "GeoLite2-Country", "203.0.113.0/24", mmdbtype.Map{})
	wrong := database(t, "GeoLite2-ASN", "203.0.113.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.String("many")})
	for path, want := range map[string]string{"/nowhere.mmdb": "no such file", cut: "the database is not used", country: `of type "GeoLite2-Country"; want ASN`,
		wrong: "is not used further"} {
		s, other := subject("10.0.0.1", "203.0.113.7", ""), subject("10.0.0.2", "203.0.113.8", "")
		notes := judge(t, Judge{Files: Open(path, "")}, nil, s, other)
		require.Len(t, notes, 1, path)
		require.Contains(t, notes[0].String(), want)
		require.Nil(t, s.Finding.Dwell.Evidence.ASN)
	}
	notes := judge(t, Judge{Files: Open("", "")}, &cluster{err: errors.New("the cluster is down")}, subject("10.0.0.1", "203.0.113.7", ""))
	require.Len(t, notes, 1)
	require.Contains(t, notes[0].String(), "the cluster is down")
}
