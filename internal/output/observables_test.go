package output

import (
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// exchanged are findings by name, address, network, fingerprint and DNS, one with a hostile name.
func exchanged() []hunt.Finding {
	make := func(id string, change func(*hunt.Finding)) hunt.Finding {
		f := sample("")
		f.Dwell.FindingID, f.Dwell.HuntID, f.Dwell.Disposition = strings.Repeat(id, 32), "44b0", hunt.Escalated
		f.Event.End.Time = f.Event.Start.Add(time.Hour)
		change(&f)
		return f
	}
	shared := []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")}
	return []hunt.Finding{
		make("a", func(f *hunt.Finding) { f.Destination.Domain = "cdn.evil.example" }),
		make("b", func(*hunt.Finding) {}),
		make("c", func(f *hunt.Finding) {
			f.Destination.IP = netip.Addr{}
			f.Dwell.Destination = &hunt.DestinationNetwork{Network: "198.51.100.0/24"}
			f.Dwell.Evidence = &hunt.Evidence{Addresses: shared}
			f.Dwell.Campaign = &hunt.CampaignOf{ID: "c1", Kind: "network", Name: "198.51.100.0/24", Hosts: 2}
		}),
		make("d", func(f *hunt.Finding) {
			f.Dwell.DNS, f.Destination.Domain, f.Destination.IP = &hunt.DNSEvidence{Names: 99}, "tunnel.example", netip.MustParseAddr("10.0.0.53")
			f.Network.Connections = 4_000_000_000
		}),
		make("e", func(f *hunt.Finding) { f.Destination.Domain = hostile + ".example" }),
		make("f", func(f *hunt.Finding) {
			f.Destination.IP = netip.MustParseAddr("2001:db8::7")
			f.Dwell.Evidence = &hunt.Evidence{Service: &hunt.Service{Name: "Some CDN"}}
		}),
	}
}

// The bundle follows the rules of STIX 2.1 as its published schemas state them (oasis-open/cti-stix2-json-schemas):
// required properties, formats of ids and times, references that resolve to the right types. A simulated day was also
// validated with those schemas.
func TestSTIX(t *testing.T) {
	text := printed(t, Options{Format: STIX}, exchanged()...)
	require.Equal(t, text, printed(t, Options{Format: STIX}, exchanged()...), "deterministic")
	for _, bad := range []string{"\x1b", "\x07", "\u202e", "0001-01-01"} {
		require.NotContains(t, text, bad)
	}
	var b struct {
		Type, ID string
		Objects  []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(text), &b))
	form := regexp.MustCompile(`^[a-z][a-z0-9-]+--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	moment := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$`)
	require.Equal(t, "bundle", b.Type)
	require.Regexp(t, form, b.ID)
	must := map[string][]string{
		"identity": {"name", "identity_class"}, "observed-data": {"first_observed", "last_observed", "number_observed", "object_refs"},
		"indicator": {"pattern", "pattern_type", "valid_from", "indicator_types"}, "sighting": {"sighting_of_ref"},
		"relationship": {"relationship_type", "source_ref", "target_ref"}, "grouping": {"context", "object_refs"},
		"ipv4-addr": {"value"}, "ipv6-addr": {"value"}, "domain-name": {"value"}, "network-traffic": {"protocols", "src_ref"},
	}
	observables := map[string]bool{"ipv4-addr": true, "ipv6-addr": true, "domain-name": true, "network-traffic": true}
	kind, count := map[string]string{}, map[string]int{}
	for _, o := range b.Objects {
		name := o["id"].(string)
		require.Regexp(t, form, name)
		require.True(t, strings.HasPrefix(name, o["type"].(string)+"--"))
		require.Empty(t, kind[name], "each id once")
		kind[name] = o["type"].(string)
		count[o["type"].(string)]++
	}
	for _, o := range b.Objects {
		what := o["type"].(string)
		require.Contains(t, must, what)
		need := must[what]
		if !observables[what] {
			need = append(need, "created", "modified")
			require.LessOrEqual(t, o["created"], o["modified"])
		} else {
			require.NotContains(t, o, "created")
		}
		require.Equal(t, "2.1", o["spec_version"])
		for _, p := range need {
			require.Contains(t, o, p, what)
		}
		for p, v := range o {
			switch {
			case strings.HasSuffix(p, "_refs"):
				require.NotEmpty(t, v)
				for _, r := range v.([]any) {
					require.NotEmpty(t, kind[r.(string)], "%s of %s resolves", p, what)
					if what == "observed-data" {
						require.True(t, observables[kind[r.(string)]])
					}
				}
			case strings.HasSuffix(p, "_ref"):
				require.NotEmpty(t, kind[v.(string)], "%s of %s resolves", p, what)
			case p == "created" || p == "modified" || p == "valid_from" || p == "start" || p == "end" || strings.HasSuffix(p, "_seen") || strings.HasSuffix(p, "_observed") && p != "number_observed":
				require.Regexp(t, moment, v)
			case p == "number_observed" || what == "sighting" && p == "count":
				require.GreaterOrEqual(t, v, 1.0)
				require.LessOrEqual(t, v, 999_999_999.0)
			}
		}
		if what == "relationship" {
			require.Equal(t, []string{"based-on", "indicator", "observed-data"}, []string{o["relationship_type"].(string), kind[o["source_ref"].(string)], kind[o["target_ref"].(string)]})
		}
	}
	require.Equal(t, map[string]int{"identity": 1, "ipv4-addr": 4, "ipv6-addr": 1, "domain-name": 2, "network-traffic": 5, "observed-data": 6, "indicator": 4, "sighting": 4,
		"relationship": 4, "grouping": 1}, count, "the hostile name is no observable, and has no indicator, nor has a known service's address")
	require.Contains(t, text, `[domain-name:value = 'tunnel.example' OR domain-name:value LIKE '%.tunnel.example']`)
	require.Contains(t, text, `[ipv4-addr:value ISSUBSET '198.51.100.0/24']`)
	// The standard defines an address's id; this one was computed with Python's uuid5 of {"value":"203.0.113.7"}.
	require.Contains(t, text, "ipv4-addr--9ddd739e-87b1-587d-83f2-62ef1130af2f")
}

func TestSTIXOfOpenConnections(t *testing.T) {
	f := sample("")
	require.Regexp(t, `"is_active": false`, printed(t, Options{Format: STIX}, f))
	f.Dwell.Connection.Open = &hunt.StillOpen{Connections: 1}
	text := printed(t, Options{Format: STIX}, f)
	require.Regexp(t, `"is_active": true`, text)
	require.NotContains(t, text, `"end":`)
}

// What is escalated and safelisted is neither malicious nor benign to others: the two contradict each other.
func TestSTIXOfContradictions(t *testing.T) {
	for _, c := range []struct {
		disposition string
		safelisted  bool
		want        string
	}{{hunt.Escalated, false, "malicious-activity"}, {hunt.Escalated, true, "anomalous-activity"}, {hunt.Open, true, "benign"}, {hunt.Benign, false, "benign"}, {hunt.Open, false, "anomalous-activity"}} {
		f := exchanged()[0]
		f.Dwell.Disposition, f.Dwell.Safelisted = c.disposition, c.safelisted
		text := printed(t, Options{Format: STIX}, f)
		require.Regexp(t, `"indicator_types": \[\s*"`+c.want+`"\s*\]`, text, c)
		require.Equal(t, c.safelisted, strings.Contains(text, `"safelisted"`))
	}
}

func TestMISP(t *testing.T) {
	var m mispEvent
	text := printed(t, Options{Format: MISP}, exchanged()...)
	require.NotContains(t, text, "\x1b")
	require.NoError(t, json.Unmarshal([]byte(text), &m))
	require.Equal(t, "2026-11-22", m.Event.Date)
	for severity, want := range []string{"4", "4", "3", "2", "1"} {
		f := sample("")
		f.Event.Severity = severity
		require.Equal(t, want, threatLevel(&f))
		f.Dwell.Safelisted = true
		require.Equal(t, "4", threatLevel(&f))
	}
	require.Equal(t, "2", m.Event.ThreatLevelID, "high is 2 of MISP's levels")
	ids := map[string]bool{}
	for _, a := range m.Event.Attribute {
		ids[a.Type+" "+a.Value] = a.ToIDS
		require.NotContains(t, a.Value, "\n")
		require.NotContains(t, a.Comment, "\n")
	}
	require.Equal(t, map[string]bool{"domain cdn.evil.example": true, "ip-dst 203.0.113.7": true, "ip-dst 198.51.100.1": true, "ip-dst 198.51.100.2": true,
		"ip-dst 198.51.100.0/24": false, "domain tunnel.example": true, "ip-dst 2001:db8::7": false, "ip-src 10.1.4.22": false}, ids)
	open := exchanged()[0]
	open.Dwell.Disposition = hunt.Open
	require.NotContains(t, printed(t, Options{Format: MISP}, open), `"to_ids": true`, "what nobody escalated is context")
}

func TestBlockList(t *testing.T) {
	b := BlockList(exchanged())
	require.Equal(t, []string{"198.51.100.1", "198.51.100.2", "203.0.113.7", "cdn.evil.example", "tunnel.example"}, b.Lines,
		"names without their addresses, of a network what was seen, no resolver, no address of a shared service")
	require.Len(t, b.Left, 2)
	require.Contains(t, b.Left[1], "Some CDN")
	for _, d := range []string{hunt.Open, hunt.Benign, ""} {
		f := exchanged()[:1]
		f[0].Dwell.Disposition = d
		require.Empty(t, BlockList(f).Lines)
	}
	f := exchanged()[:1]
	f[0].Dwell.Safelisted = true
	require.Empty(t, BlockList(f).Lines)
	require.Contains(t, BlockList(f).Left[0], "escalated, but safelisted")
	inside := exchanged()[1:2]
	inside[0].Destination.IP = netip.MustParseAddr("10.9.9.9")
	require.Empty(t, BlockList(inside).Lines)
}

// Host, prevalence, owner and disposition are columns at the end, and hostile text in them is harmless.
func TestCSVEvidence(t *testing.T) {
	f := sample("cdn.example")
	f.Dwell.Evidence = &hunt.Evidence{Host: &hunt.HostEvidence{Names: []string{hostile}, Users: []string{"ana"}}, Prevalence: &hunt.Prevalence{Hosts: 2, Active: 87},
		ASN: &hunt.ASN{Number: 64500, Organization: "=SUM(A1)"}, Country: "DE", Protocol: &hunt.Protocol{JA4: []string{"t13d"}}}
	f.Dwell.Disposition, f.Dwell.Assignee = hunt.Escalated, "ben"
	rows, err := csv.NewReader(strings.NewReader(printed(t, Options{Format: CSV}, f, sample("b.example")))).ReadAll()
	require.NoError(t, err)
	at := len(rows[0]) - 14
	require.Equal(t, []string{"host", "user", "hosts", "active_hosts", "asn", "as_organization", "country", "ja4", "first_seen", "disposition", "assignee", "safelisted_by",
		"campaign_id", "campaign_hosts"}, rows[0][at:])
	require.Equal(t, []string{"ana", "2", "87", "64500", "'=SUM(A1)", "DE", "t13d", "", "escalated", "ben", "", "", ""}, rows[1][at+1:])
	require.NotContains(t, rows[1][at], "\x1b")
	require.True(t, strings.HasPrefix(rows[1][at], "'="))
	require.Equal(t, make([]string, 14), rows[2][at:])
}

// No line is wider than the terminal, whatever it holds.
func TestLinesFit(t *testing.T) {
	f := sample(strings.Repeat("very-long-", 20) + "name.example")
	f.Dwell.Severity, f.Dwell.Disposition = "critical", hunt.Escalated
	f.Source.IP = netip.MustParseAddr("fd20:1234:5678:9abc:def0:1234:5678:9abc")
	f.Event.End.Time = f.Event.Start.Add(700 * 24 * time.Hour)
	f.Dwell.DwellTime = &hunt.DwellTime{FirstCheckIn: f.Event.Start, Seconds: 6e7, LowerBound: true}
	period, jitter, beats := 14_400.0, 0.5, int64(1_234_567)
	f.Beacon = &hunt.BeaconScore{Period: &period, Jitter: &jitter, CheckIns: &beats}
	f.Dwell.Evidence = &hunt.Evidence{Host: &hunt.HostEvidence{Names: []string{"a-very-long-name-of-a-host"}, Users: []string{"somebody.with.a.long.name"}},
		Prevalence: &hunt.Prevalence{Hosts: 12_345, Active: 123_456}}
	for _, width := range []int{80, 100, 120, 139, 140, 200} {
		for _, line := range strings.Split(printed(t, Options{Format: Table, Width: width}, f), "\n") {
			require.LessOrEqual(t, utf8.RuneCountInString(line), width, "at %d: %s", width, line)
		}
	}
}
