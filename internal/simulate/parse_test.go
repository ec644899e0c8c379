package simulate

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var diffable = cmp.Options{cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{}), cmpopts.EquateEmpty()}

func TestParseChangesWhatItNames(t *testing.T) {
	sc, err := Parse(strings.NewReader(""))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(Default(), sc, diffable))

	sc, err = Parse(strings.NewReader(`
seed: 7
hosts: 12
length: 1d12h
work: {from: "09:00", to: 18:30}
failed: 5%
internal: [192.168.0.0/22]
implants:
  - name: quiet
    kind: beacon
    hosts: [ws-003]
    destinations: [203.0.113.200]
    period: 90s
    jitter: 20%
    from: 2h
    why: for the test
`))
	require.NoError(t, err)
	require.EqualValues(t, 7, sc.Seed)
	require.Equal(t, Duration(36*time.Hour), sc.Length)
	require.Equal(t, Hours{From: 9 * 60, To: 18*60 + 30}, sc.Work)
	require.Equal(t, Share(0.05), sc.Failed)
	require.Len(t, sc.Implants, 1)
	require.Equal(t, Duration(90*time.Second), sc.Implants[0].Period)
	require.Equal(t, Default().Services, sc.Services, "what is not named stays")
}

func TestBadScenariosNameTheKey(t *testing.T) {
	implant := func(line string) string {
		return "implants:\n  - {name: x, kind: beacon, period: 5m}\n  - name: y\n    kind: beacon\n" + line + "\n"
	}
	for yaml, want := range map[string]string{
		"sede: 1":                                      "sede (line 1): there is no such key",
		"hosts: many":                                  "hosts (line 1): ",
		"length: 24":                                   `length (line 1): "24" has no unit`,
		"length: -1h":                                  "length (line 1): ",
		"length: 1s":                                   "length: 1s is out of range",
		"failed: 1.5":                                  "failed (line 1): ",
		"failed: [1]":                                  "failed (line 1): a single value",
		"hosts: 0":                                     "hosts: 0 is out of range",
		"hosts: 100\ninternal: [10.0.0.0/28]":          "internal[0]: 10.0.0.0/28 has room for 0 workstations",
		"internal: [10.0.0.0]":                         "internal[0] (line 1): ",
		"internal: [198.18.0.0/16]":                    "internal[0]: 198.18.0.0/16 overlaps",
		"internal: ['fd00::/64']":                      "internal: needs at least one IPv4 network",
		"rate: .nan":                                   "rate: NaN",
		"start: yesterday":                             "start (line 1): ",
		"work: {from: 8, to: 17:00}":                   "work.from (line 1): ",
		"work: {from: 09:00, to: 09:10}":               "work: from must be",
		"domain: 'a b'":                                "domain: ",
		"logs: [conn, ftp]":                            "logs[1]: \"ftp\" is not one of conn, dns",
		"seed: 1\n---\nseed: 2":                        "more than one document",
		implant("    period: 300"):                     `implants[1].period (line 5): "300" has no unit`,
		implant("    period: 1ms"):                     "implants[1].period: 1ms is too short",
		implant("    periods: [1m]"):                   "implants[1].hold: is required",
		implant("    period: 5m\n    jiter: 5%"):       "jiter (line 6): there is no such key",
		implant("    period: 5m\n    jitter: 120%"):    "implants[1].jitter (line 6): ",
		implant("    period: 5m\n    kind: trojan"):    "already defined",
		implant("    period: 5m\n    hosts: [ws-999]"): `implants[1].hosts[0]: "ws-999" is no host`,
		implant("    period: 5m\n    hosts: [ws-01]"):  `implants[1].hosts[0]: "ws-01" is no host`,
		implant("    period: 5m\n    destinations: [10.20.0.1]"):                               "implants[1].destinations[0]: 10.20.0.1 is no outside address",
		implant("    period: 5m\n    destinations: [evil]"):                                    "implants[1].destinations[0] (line 6): ",
		implant("    period: 5m\n    domain: 'x\"y'"):                                          "implants[1].domain: ",
		implant("    period: 5m\n    port: 70000"):                                             "implants[1].port: 70000",
		implant("    period: 5m\n    to: 1h\n    from: 2h"):                                    "implants[1].to: 1h0m0s is not after from",
		implant("    period: 5m\n    timing: often"):                                           `implants[1].timing: "often" is not one of both, early, clock`,
		"implants: [{name: x, kind: beacon, period: 1m}, {name: x, kind: beacon, period: 1m}]": `implants[1].name: "x" is the name of implants[0] already`,
		"services: [{name: x, kind: strobe, period: 2s}]":                                      "services[0].period: 2s is no strobe",
		"services: [{name: x, kind: dns_tunnel, period: 2s}]":                                  "services[0].domain: is needed",
		"services: [{name: x, kind: long, period: 2s}]":                                        "services[0].duration: is needed",
		"services: [{name: x, kind: beacon, period: 2s, domain: a.b, socks: true}]":            "services[0].socks: needs proxy",
		"services: [{name: x, kind: beacon, period: 2s, proxy: true}]":                         "services[0].proxy: needs a domain",
		"services: [{kind: beacon, period: 2s}]":                                               "services[0].name: ",
		"services: [{name: x, period: 2s}]":                                                    `services[0].kind: "" is not one of beacon, long`,
		"- 1":                                                                                  "",
		"{":                                                                                    "",
	} {
		_, err := Parse(strings.NewReader(yaml))
		require.Error(t, err, yaml)
		require.ErrorContains(t, err, want, yaml)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse(strings.NewReader("hosts: 0\nrate: -1\ndestinations: 3\n"))
	for _, want := range []string{"hosts: ", "rate: ", "destinations: "} {
		require.ErrorContains(t, err, want)
	}
}

// The built-in scenario survives writing and reading.
func TestDefaultSurvivesYAML(t *testing.T) {
	b, err := yaml.Marshal(Default())
	require.NoError(t, err)
	sc, err := Parse(strings.NewReader(string(b)))
	require.NoError(t, err, "%s", b)
	require.Empty(t, cmp.Diff(Default(), sc, diffable))
}

func FuzzScenario(f *testing.F) {
	f.Add("seed: 1\nhosts: 3\nlength: 1m\nservices: []\nimplants: [{name: x, kind: beacon, period: 1s, jitter: 100%}]")
	f.Add("length: 1d\nwork: {from: 08:00, to: 09:00}\ninternal: [10.0.0.0/8, fd00::/16]")
	f.Add("a: &a [*a]\n? [x]\n: y")
	f.Fuzz(func(t *testing.T, text string) {
		sc, err := Parse(strings.NewReader(text))
		if err != nil {
			if strings.TrimSpace(err.Error()) == "scenario:" {
				t.Fatal("an error that says nothing")
			}
			return
		}
		if err := sc.Validate(); err != nil {
			t.Fatal("parsed and yet not valid:", err)
		}
		// A valid scenario can be run, at least at its start.
		if sc.Hosts > 50 || sc.Destinations > 1000 {
			return
		}
		n := 0
		for _, err := range Connections(sc) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n > 200 {
				break
			}
		}
	})
}
