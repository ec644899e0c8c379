package catalogue

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

func load(t *testing.T, site string) *Catalogue {
	t.Helper()
	path := ""
	if site != "" {
		path = filepath.Join(t.TempDir(), "catalogue.csv")
		require.NoError(t, os.WriteFile(path, []byte(site), 0o600))
	}
	c, err := Load(path)
	require.NoError(t, err)
	return c
}

func TestEveryEntryIsSound(t *testing.T) {
	c := load(t, "")
	require.Greater(t, c.Len(), 400)
	people := map[string]bool{"collaboration": true, "storage": true, "advertising": true, "cdn": true, "media": true}
	owners := map[string]bool{}
	for _, o := range c.networks.All() {
		owners[o] = true
	}
	for _, o := range c.numbers {
		owners[o] = true
	}
	for _, e := range c.Entries() {
		require.NotEmpty(t, e.Source, e.Match)
		if people[e.Category] {
			require.Equal(t, scoring.Weak, e.Explains, "%s: anybody can keep content there", e.Match)
		}
		if e.Match[0] == '@' {
			require.Equal(t, "@"+e.Owner, e.Match)
		}
		require.True(t, e.Owner == "" || owners[e.Owner], "%s: no networks of %s", e.Match, e.Owner)
	}
}

func TestNamesMatchOnLabels(t *testing.T) {
	c := load(t, "")
	for name, known := range map[string]bool{
		"windowsupdate.com": true, "Download.WindowsUpdate.com.": true, "a.b.windowsupdate.com": true,
		"windowsupdate.com.evil.example": false, "xwindowsupdate.com": false, "windowsupdate.co": false, "com": false, "": false,
	} {
		require.Equal(t, known, c.Named(name, 443, hunt.TCP) != nil, name)
	}
	require.Nil(t, c.Named("windowsupdate.com", 8443, hunt.TCP), "another port is another service")
	require.Nil(t, c.Named("ocsp.digicert.com", 443, hunt.TCP))
	require.Equal(t, "revocation", c.Named("ctldl.windowsupdate.com", 80, hunt.TCP).Category, "the longer match wins")
	require.Nil(t, c.Asked("windowsupdate.com"))
	require.NotNil(t, c.Asked("sophosxl.net"))
}

// subject is a beacon with the maximum score.
func subject(name, dst string, port int, company int64, names ...evidence.Name) *evidence.Candidate {
	a := netip.MustParseAddr(dst)
	key := hunt.PairKey{Src: netip.MustParseAddr("10.0.0.1"), Dst: a, Name: name, Port: uint16(port)}
	f := &hunt.Finding{Destination: hunt.Destination{IP: a, Port: port, Domain: name}, Network: hunt.Network{Transport: "tcp", Connections: 100}}
	s := evidence.NewCandidate(key, scoring.Indicators{Beacon: 1}, f, nil)
	if s.Names = names; name != "" {
		s.Names = []evidence.Name{{Name: name, Connections: 100}}
	}
	s.Vouching = company
	return s
}

// Expected scores: 1 times 0.3 (strong), 0.7 (weak) or 1 (docs/facts/scoring.md, 5).
func TestWhatExplains(t *testing.T) {
	const update = "fe2.update.microsoft.com"
	n := func(name string, of int64) evidence.Name { return evidence.Name{Name: name, Connections: of} }
	known := subject(update, "198.51.100.7", 443, 3)
	known.ModifyBy(evidence.Known, 0, "known for 40 days")
	quic := subject("", "198.51.100.7", 443, 5, n(update, 1))
	quic.Finding.Network.Transport = "udp"
	pool := subject("", "198.51.100.7", 123, 1)
	pool.Finding.Network.Transport, pool.Finding.Dwell.Evidence.Names, pool.Conforms = "udp", []string{"2.debian.pool.ntp.org"}, true
	pool.Answered = []string{"ntp.org"}
	own := subject("", "198.51.100.7", 123, 1)
	own.Finding.Network.Transport, own.Finding.Dwell.Evidence.Names, own.Conforms = "udp", []string{"2.debian.pool.ntp.org"}, true
	claim, answered := subject(update, "198.51.100.7", 443, 1), subject(update, "198.51.100.7", 443, 1)
	claim.Shared, answered.Shared, answered.Answered = 0, 0, []string{prevalence.DomainOf(update)}
	carried, seldom := subject("", "198.51.100.7", 443, 1, n(update, 60)), subject("", "198.51.100.7", 443, 1, n(update, 40))
	carried.Answered, seldom.Answered = answered.Answered, answered.Answered
	unlike := subject("", "198.51.100.7", 123, 1)
	unlike.Finding.Network.Transport, unlike.Finding.Dwell.Evidence.Names = "udp", []string{"2.debian.pool.ntp.org"}
	forged := subject(update, "13.107.4.50", 443, 9)
	forged.ModifyBy(evidence.SelfSigned, 0, "self-signed")
	listed := subject(update, "13.107.4.50", 443, 9)
	listed.ModifyBy(evidence.Intel, 0, "listed")
	long := subject(update, "13.107.4.50", 443, 1)
	long.Indicators = scoring.Indicators{Beacon: 0.1, Long: 1}
	long.Finding.Dwell.Connection.Total = 3600
	kept := subject(update, "13.107.4.50", 443, 1)
	kept.Indicators = scoring.Indicators{Long: 1}
	kept.Finding.Dwell.Connection.Total = 3599
	strobe := subject(update, "13.107.4.50", 443, 1)
	strobe.Indicators = scoring.Indicators{Strobe: 1}
	asked := func(domain string) *evidence.Candidate {
		f := &hunt.Finding{Destination: hunt.Destination{Domain: domain}, Dwell: hunt.Dwell{DNS: &hunt.DNSEvidence{Names: 900}}}
		s := evidence.NewCandidate(hunt.PairKey{Src: netip.MustParseAddr("10.0.0.1"), DNS: domain, Port: 53}, scoring.Indicators{DNSTunnel: 1}, f, nil)
		s.Resolved = true
		return s
	}
	elsewhere := asked("sophosxl.net")
	elsewhere.Resolved = false
	announced := func(name string, number int64) *evidence.Candidate {
		s := subject(name, "198.51.100.7", 443, 1)
		s.AS = map[netip.Addr]int64{s.Key.Dst: number}
		return s
	}
	for name, tc := range map[string]struct {
		s    *evidence.Candidate
		want float64
	}{
		"vendor announces the address":       {announced("init.push.apple.com", 714), 0.3},
		"vendor announces it, without name":  {announced("", 714), 0.7},
		"somebody else announces it":         {announced("init.push.apple.com", 64500), 0.7},
		"nobody in the catalogue, no name":   {announced("", 64500), 1},
		"name that the certificate belies":   {forged, 1},
		"name on an indicator list":          {listed, 1},
		"forged name":                        {claim, 1},
		"forged name at an address":          {subject("", "198.51.100.7", 443, 1, n(update, 60)), 1},
		"name that resolvers gave":           {answered, 0.7},
		"name and the vendor's network":      {subject(update, "13.107.4.50", 443, 1), 0.3},
		"name and other hosts":               {subject(update, "198.51.100.7", 443, 3), 0.7},
		"name, and hosts for a month":        {known, 0.3},
		"QUIC to an address of such a name":  {quic, 1},
		"time from the pool":                 {pool, 0.4 + 0.05*(0.55+0.0495*(0.7-0.55)/0.45-0.4)/0.2},
		"time, by a resolver of its own":     {own, 1},
		"what is not like time":              {unlike, 1},
		"look-alike":                         {subject("windowsupdate.com.evil.example", "13.107.4.50", 443, 9), 1},
		"vendor's network alone":             {subject("", "17.57.146.22", 5223, 1), 0.3},
		"vendor's network, foreign name":     {subject("evil.example", "17.57.146.22", 5223, 1), 1},
		"vendor's network, another port":     {subject("", "17.57.146.22", 4444, 1), 1},
		"address that carries the name":      {carried, 0.7},
		"address that carries it too seldom": {seldom, 1},
		"address that carries foreign names": {subject("", "198.51.100.7", 443, 1, n(update, 60), n("evil.example", 30)), 1},
		"people's content is weak at best":   {subject("wss-primary.slack.com", "198.51.100.7", 443, 9), 0.7},
		"such names, asked elsewhere":        {elsewhere, 1},
		"a cloud of the vendor's, no name":   {subject("", "17.57.146.22", 443, 1), 0.7},
		"names of a reputation service":      {asked("sophosxl.net"), 0.3},
		"names of somebody":                  {asked("tunnel.example"), 1},
		"held for hours is no update":        {long, 1},
		"kept for less than an hour may be":  {kept, 0.3},
		"a connection a second is no update": {strobe, 1},
	} {
		_, err := load(t, "").Judge(t.Context(), nil, []*evidence.Candidate{tc.s})
		require.NoError(t, err)
		tc.s.Settle()
		require.InDelta(t, tc.want, tc.s.Finding.Dwell.Score, 1e-9, name)
		if tc.want < 1 {
			require.NotNil(t, tc.s.Finding.Dwell.Evidence.Service, name)
			require.Contains(t, strings.Join(tc.s.Finding.Dwell.Reasons, "\n"), "known service", name)
		}
	}
}

func TestSiteFile(t *testing.T) {
	c := load(t, "backup.example.com,8443/tcp,backup,strong,,our backup,ticket 17\nslack.com,,collaboration,none,,not used here,policy\n")
	require.Equal(t, "our backup", c.Named("n1.backup.example.com", 8443, hunt.TCP).What)
	require.Equal(t, scoring.Unexplained, c.Named("slack.com", 443, hunt.TCP).Explains)
	require.Equal(t, load(t, "").Len()+1, c.Len(), "one is new, one replaces ours")
	require.NotEmpty(t, c.Revision())
	c = load(t, "\ufeffslack.com,443/tcp,collaboration,none,,not used here,policy\r\n")
	require.Equal(t, scoring.Unexplained, c.Named("slack.com", 443, hunt.TCP).Explains, "ours has more ports; a spreadsheet wrote the file")
	require.Equal(t, scoring.Weak, c.Named("slack.com", 80, hunt.TCP).Explains)
	require.Empty(t, load(t, "").Revision())
}

func TestBadSiteFiles(t *testing.T) {
	for text, want := range map[string]string{
		"com,,x,strong,,all of com,me\n":                "want a domain",
		"co.uk,,x,strong,,all of it,me\n":               "anyone can register names below",
		"cloudfront.net,,x,strong,,rented,me\n":         "anyone can register names below",
		"*,,x,strong,,all,me\n":                         "without a star",
		"203.0.113.7,,x,weak,,what,me\n":                "no address",
		"a.example:443,,x,weak,,what,me\n":              "no port",
		"@nobody,,x,weak,nobody,what,me\n":              "no networks of",
		"a.example,,x,weak,nobody,what,me\n":            "no networks of",
		"@,,x,weak,,what,me\n":                          "no networks of",
		"a.example,,x,very,,what,me\n":                  "not none, weak or strong",
		"a.example,99999/tcp,x,weak,,what,me\n":         "not a port",
		"a.example,,x,weak,,what,\n":                    "says where it is from",
		"a.example,,x,weak,,,me\n":                      "are required",
		"a.example,x\n":                                 "wrong number of fields",
		"a.example,,x,w,,what,me\nb,,x,weak,,what,me\n": "line 2",
	} {
		path := filepath.Join(t.TempDir(), "c.csv")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(path)
		require.ErrorContains(t, err, want, text)
	}
	_, err := Load(filepath.Join(t.TempDir(), "none.csv"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
