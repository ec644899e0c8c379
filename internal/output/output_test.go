package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// hostile is a server name as an attacker may choose it: a title-setting escape, a bell, a right-to-left override, a
// newline, a tab and invalid UTF-8.
const hostile = "=cmd|' /C calc'!A0\x1b]0;owned\x07\u202egnp.exe\n\tx\xff"

func sample(domain string) hunt.Finding {
	score, n := 0.963, int64(331)
	at := hunt.Time{Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	return hunt.Finding{
		Timestamp: at, Event: hunt.Event{ID: "f1", Start: at, End: at, Ingested: at, Severity: 3, SeverityLabel: "high"},
		Source:      hunt.Originator{IP: netip.MustParseAddr("10.1.4.22"), Port: 50000},
		Destination: hunt.Destination{IP: netip.MustParseAddr("203.0.113.7"), Port: 443, Domain: domain},
		Network:     hunt.Network{Transport: "tcp", Protocol: "ssl", Connections: 331, Bytes: 1000, AverageBytes: 3.02},
		Beacon:      &hunt.BeaconScore{RITA: &score, RITAConnections: &n},
		Log:         &hunt.Log{ID: hunt.LogID{UID: "C3Rk0e2qX1bYbN8hE9"}},
		Dwell: hunt.Dwell{Score: 0.7, Severity: "high", Indicators: []string{"beacon"}, Reasons: []string{"talks every 5m to " + domain},
			Pair: "10.1.4.22>203.0.113.7", FindingID: "s1", Connection: hunt.Durations{Total: 4000, Longest: 12}, InternalIP: netip.MustParseAddr("10.1.4.22")},
	}
}

func printed(t *testing.T, o Options, findings ...hunt.Finding) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Findings(&b, findings, o))
	return b.String()
}

func TestHostileNamesAreHarmless(t *testing.T) {
	for _, f := range []Format{Table, Wide, Lines, CSV} {
		text := printed(t, Options{Format: f, Color: false}, sample(hostile))
		for _, bad := range []string{"\x1b", "\x07", "\u202e", "\xff"} {
			require.NotContains(t, text, bad, "%s", f)
		}
		require.Contains(t, text, `\x1b]0;owned\x07\u202egnp.exe\x0a\x09x\xff`, "%s shows what was there", f)
	}
	require.Len(t, strings.Split(strings.TrimSpace(printed(t, Options{Format: Lines}, sample(hostile))), "\n"), 1)

	rows, err := csv.NewReader(strings.NewReader(printed(t, Options{Format: CSV}, sample(hostile)))).ReadAll()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(rows[1][4], "'=cmd"), "a spreadsheet must not run it: %q", rows[1][4])

	var back hunt.Finding
	require.NoError(t, json.Unmarshal([]byte(printed(t, Options{Format: NDJSON}, sample("a\x1bb"))), &back))
	require.Equal(t, "a\x1bb", back.Destination.Domain, "JSON escapes by itself and keeps the value")
}

// Invisible letters, stacks of marks and look-alikes are made visible. JSON decodes to the original, and has no control
// characters for a terminal.
func TestWhatShowsIsWhatIsThere(t *testing.T) {
	for in, want := range map[string]string{
		"a\u3164b": `a\u3164b`, "a\u115fb": `a\u115fb`, "a\u2800b": `a\u2800b`, "e\u0301\u0301": "e\u0301\u0301",
		"e\u0301\u0301\u0301": "e\u0301\u0301" + `\u0301`, "m\u00fcller": "m\u00fcller",
		"10.0.0.1>g\u043e\u043egle.com:443/tcp": "10.0.0.1>g\u043e\u043egle.com (xn--ggle-55da.com):443/tcp",
	} {
		require.Equal(t, want, Clean(in))
	}
	const moving = "a\u009b2Jb\u202ec\u200bd\U000e0041"
	for _, f := range []Format{JSON, NDJSON} {
		text := printed(t, Options{Format: f}, sample(moving))
		require.Contains(t, text, `a\u009b2Jb\u202ec\u200bd\udb40\udc41`)
		var back hunt.Finding
		if f == NDJSON {
			require.NoError(t, json.Unmarshal([]byte(text), &back))
			require.Equal(t, moving, back.Destination.Domain)
		}
	}
}

func TestFormulaGuard(t *testing.T) {
	for in, want := range map[string]string{"\uff1d1+1": "'\uff1d1+1", "\uff20x": "'\uff20x", "\u2212x": "'\u2212x", "=1+1": "'=1+1", "+x": "'+x", "-x": "'-x", "@x": "'@x", "example.com": "example.com", "": ""} {
		require.Equal(t, want, cell(in))
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	f := sample("a-very-long-name-of-a-server-that-nobody-can-fit-into-a-column.cdn.example")
	f.Dwell.Evidence = &hunt.Evidence{Host: &hunt.HostEvidence{Names: []string{"WS-022"}, Users: []string{"ana"}}, Prevalence: &hunt.Prevalence{Hosts: 1, Active: 87}, FirstSeen: &hunt.FirstSeen{}}
	f.Dwell.Modifiers = []hunt.Modifier{{Name: "rare", Value: 0.15}, {Name: "new", Value: 0.15}, {Name: "self_signed", Value: 0.1}, {Name: "same_size", Value: 0.02}}
	for _, width := range []int{80, 100, 120, 200} {
		text := printed(t, Options{Format: Table, Width: width}, f, sample(""))
		for l := range strings.Lines(text) {
			require.LessOrEqual(t, len([]rune(strings.TrimRight(l, "\n"))), width, l)
		}
		lines := strings.Split(text, "\n")
		require.Equal(t, strings.Index(lines[0], "SEVERITY"), strings.Index(lines[1], "high"), "columns line up with their heads")
		require.Contains(t, strings.ReplaceAll(strings.Join(strings.Fields(text), ""), "\n", ""), f.Destination.Domain, "a destination that does not fit stands whole below")
		require.Contains(t, strings.Join(strings.Fields(text), " "), "only this host; first seen today; self-signed", "the three that weigh most")
		require.NotContains(t, text, "constant size")
		require.Equal(t, width >= fullWidth, strings.Contains(text, "STATUS"), "from 120 columns on there is more")
	}
	require.Contains(t, printed(t, Options{Format: Wide, Width: 80}, f), f.Dwell.Reasons[0], "wide cuts nothing")
}

// TestOddRowsFitTheTerminal: wide characters take two columns, and long addresses, names and numbers push nothing out
// of its column; what decides stands whole on the entry's lines.
func TestOddRowsFitTheTerminal(t *testing.T) {
	six := sample("")
	six.Source.IP = netip.MustParseAddr("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1111")
	six.Destination.IP = netip.MustParseAddr("2001:db8:ffff:eeee:dddd:cccc:bbbb:2222")
	wide := sample("中文域名中文域名中文域名.example")
	wide.Dwell.FindingID = "s2"
	wide.Dwell.Evidence = &hunt.Evidence{Host: &hunt.HostEvidence{Names: []string{"財務部的筆記型電腦"}, Users: []string{"élise"}}}
	many := sample(strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + ".example")
	many.Dwell.FindingID = "s3"
	many.Network.Connections, many.Dwell.Indicators = 1_234_567_890, []string{"strobe"}
	many.Event.End = hunt.Time{Time: many.Event.Start.Add(400 * 24 * time.Hour)}
	for _, width := range []int{80, 120, 200} {
		text := printed(t, Options{Format: Table, Width: width}, six, wide, many)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		for _, l := range lines {
			require.LessOrEqual(t, Columns(l), width, l)
		}
		at := strings.Index(lines[0], "DESTINATION")
		for _, l := range lines[1:] {
			if strings.Contains(l, "high  ") {
				r := []rune(l)
				require.Equal(t, " ", string(r[fitting(r, at)-1]), "columns line up: %q", l)
				require.NotEqual(t, " ", string(r[fitting(r, at)]), "columns line up: %q", l)
			}
		}
		whole := strings.Join(strings.Fields(text), "")
		for _, want := range []string{six.Source.IP.String(), "[" + six.Destination.IP.String() + "]:443", "\u8ca1\u52d9\u90e8\u7684\u7b46\u8a18\u578b\u96fb\u8166", many.Destination.Domain + ":443", "1,234,567,890x"} {
			require.Contains(t, whole, want, "at %d: %s", width, text)
		}
	}
}

// A campaign is one entry of the table.
func TestACampaignIsOneEntry(t *testing.T) {
	c := &hunt.CampaignOf{ID: "cccccccccccc", Kind: "domain", Name: "cdn.example", Hosts: 37}
	var list []hunt.Finding
	for i := range 4 {
		f := sample("cdn.example")
		f.Dwell.FindingID = fmt.Sprintf("%07d-finding", i)
		f.Dwell.Evidence = &hunt.Evidence{Prevalence: &hunt.Prevalence{Hosts: 37, Active: 87}}
		if i < 3 {
			f.Dwell.Campaign = c
		}
		list = append(list, f)
	}
	leads, groups := Leads(list)
	require.Len(t, leads, 2)
	require.Equal(t, 3, groups[leads[0].Dwell.FindingID].Members)
	text := printed(t, Options{Format: Table, Width: 80, Groups: groups}, leads...)
	require.Contains(t, text, "37 of 87 hosts")
	require.Contains(t, text, "ccccccc  campaign of 3 findings, strongest 10.1.4.22")
	require.NotContains(t, text, " more")
	list[1].Destination.Domain, list[2].Destination.Domain = "a.example", "b.example"
	for kind, want := range map[string]bool{"domain": false, "address": false, "certificate": true, "fingerprint": true} {
		c.Kind = kind
		leads, groups = Leads(list)
		text = printed(t, Options{Format: Table, Width: 160, Groups: groups}, leads...)
		require.Equal(t, want, strings.Contains(text, "cdn.example:443 and 2 more"), "%s: %s", kind, text)
	}
	leads, groups = Leads(list[2:])
	require.Len(t, leads, 2)
	require.Empty(t, groups, "one member alone stands by itself")
}

func TestRhythm(t *testing.T) {
	period, jitter, beats := 300.0, 0.05, int64(287)
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	of := func(indicator string) *hunt.Finding {
		return &hunt.Finding{Event: hunt.Event{Start: hunt.Time{Time: start}, End: hunt.Time{Time: start.Add(23*time.Hour + 54*time.Minute)}}, Network: hunt.Network{Connections: 1288},
			Beacon: &hunt.BeaconScore{Period: &period, Jitter: &jitter, CheckIns: &beats},
			Dwell:  hunt.Dwell{Indicators: []string{indicator}, Connection: hunt.Durations{Total: 23.7 * 3600}, DNS: &hunt.DNSEvidence{Names: 4324}}}
	}
	for indicator, want := range map[string]string{hunt.Beacon: "5m ±5%, 287x, 23.9h", hunt.LongConnection: "open 23.7h, 1,288x", hunt.Strobe: "1,288x, 23.9h", hunt.DNSTunnel: "4,324 names, 23.9h"} {
		require.Equal(t, want, Rhythm(of(indicator)), indicator)
	}
}

func TestDestinationOfDNS(t *testing.T) {
	for domain, want := range map[string]string{"evil.example": "*.evil.example dns", hunt.UnsharedDomains: "several domains dns"} {
		require.Equal(t, want, Destination(&hunt.Finding{Destination: hunt.Destination{Domain: domain}, Dwell: hunt.Dwell{DNS: &hunt.DNSEvidence{}}}))
	}
}

func TestShortIDsAreUnique(t *testing.T) {
	of := func(ids ...string) []hunt.Finding {
		out := make([]hunt.Finding, len(ids))
		for i, id := range ids {
			out[i].Dwell.FindingID = id
		}
		return out
	}
	require.Equal(t, []string{"0123456", "aaaaaaa", "0123456"}, Short(of("0123456789abcdef", "aaaaaaaaaaaaaaaa", "0123456789abcdef")), "one finding in two hunts has one id")
	require.Equal(t, []string{"01234567a", "01234567b"}, Short(of("01234567aabc", "01234567bbcd")))
}

// Every modifier has a short form: a name with underscores is not for users.
func TestColorIsNeverTheOnlySign(t *testing.T) {
	plain, colored := printed(t, Options{Format: Table}, sample("")), printed(t, Options{Format: Table, Color: true}, sample(""))
	require.Contains(t, colored, "\x1b[31mhigh\x1b[0m")
	require.Equal(t, plain, strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(colored))
}

func TestNoFindings(t *testing.T) {
	require.Empty(t, printed(t, Options{Format: Table}))
	require.Empty(t, printed(t, Options{Format: NDJSON}))
	require.JSONEq(t, `{"schema_version":2,"findings":[],"campaigns":[]}`, printed(t, Options{Format: JSON}))
	rows, err := csv.NewReader(strings.NewReader(printed(t, Options{Format: CSV}))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1)
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats(true) {
		got, err := ParseFormat(f, true)
		require.NoError(t, err)
		require.Equal(t, Format(f), got)
	}
	_, err := ParseFormat("xml", false)
	require.ErrorContains(t, err, strings.Join(Formats(false), ", "))
	_, err = ParseFormat(string(RITA), false)
	require.ErrorContains(t, err, "is not one of", "a format of hunts alone")

	// Every format prints without an error.
	for _, f := range slices.DeleteFunc(Formats(false), func(f string) bool { return Format(f) == HTML }) { // printed by package report
		require.NoError(t, Findings(&bytes.Buffer{}, []hunt.Finding{sample("a.example")}, Options{Format: Format(f)}), f)
	}
}

var update = flag.Bool("update", false, "write the generated pages")

// The table of formats in docs/output.md is generated; -update writes it.
func TestFormatsUpToDate(t *testing.T) {
	const page, head = "../../docs/output.md", "| format | what |\n|---|---|\n"
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(b), head)
	require.True(t, ok, head)
	_, after, ok := strings.Cut(rest, "\n\n")
	require.True(t, ok)
	made := before + head
	for _, f := range formats {
		made += "| `-o " + string(f.Format) + "` | " + f.About + " |\n"
	}
	made += "\n" + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(made), 0o644)) //nolint:gosec // a page of the repository
		return
	}
	require.True(t, made == string(b), "docs/output.md lists other formats than there are: run make generate")
}
