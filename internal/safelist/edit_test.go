package safelist

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

const kept = `# Our list.
rules:
    # Backup, asked Jane.
    - name: backup   # nightly
      source: 10.1.4.0/24
      destination: 203.0.113.7
      port: 443
      reason: "nightly: backup"
      owner: ops
      expires: "2027-06-30"

    - {name: cdn, domain: "*.cdn.example", reason: own, owner: ops, expires: "2027-06-30"}
    # The last one.
    - name: third
      destination: 198.51.100.0/24
      reason: |
        two
        lines
      owner: ops
      expires: "2027-06-30"
# The end.
`

func newRule() Rule {
	return Rule{Name: "new", Source: "10.0.0.5", Destination: "203.0.113.9", Port: 443, Transport: "tcp", Reason: "ours: \"yes\" # really\nsecond line", Owner: "me", Expires: "2027-01-31"}
}

// Every existing byte is kept, and the rule reads back as it was added.
func TestAddKeepsTheRest(t *testing.T) {
	for name, text := range map[string]string{"a kept list": kept, "nothing": "", "only a comment": "# mine\n", "no rules": "# mine\nrules:\n", "an empty list": "rules: []\n",
		"no final newline": strings.TrimSuffix(kept, "\n# The end.\n"), "not indented": "rules:\n- {name: a, destination: 203.0.113.1, reason: r, owner: o, expires: \"2027-01-01\"}\n"} {
		out, err := Add([]byte(text), newRule())
		require.NoError(t, err, name)
		if strings.Contains(text, "- ") {
			require.True(t, bytes.HasPrefix(out, []byte(text)), "%s: %s", name, out)
		}
		l, err := Parse(bytes.NewReader(out))
		require.NoError(t, err)
		before, err := Parse(strings.NewReader(text))
		require.NoError(t, err)
		require.Len(t, l.Rules, len(before.Rules)+1, name)
		last := l.Rules[len(l.Rules)-1]
		want := newRule()
		require.Equal(t, []any{want.Name, want.Source, want.Destination, want.Port, want.Transport, want.Reason, want.Owner, want.Expires},
			[]any{last.Name, last.Source, last.Destination, last.Port, last.Transport, last.Reason, last.Owner, last.Expires})
		again, err := Remove(out, "new")
		require.NoError(t, err, name)
		if strings.HasSuffix(text, "\n") && strings.Contains(text, "- ") && name != "a kept list" { // what ended the text is now above the rule
			require.Equal(t, text, string(again), name)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	wide := newRule()
	wide.Destination = ""
	for name, tc := range map[string]struct {
		text string
		rule Rule
		want string
	}{
		"a name that is there":  {kept, Rule{Name: "cdn", Destination: "203.0.113.1", Reason: "r", Owner: "o", Expires: "2027-01-01"}, "used twice"},
		"a rule for everything": {kept, wide, "would match every server"},
		"a list in brackets":    {`rules: [{name: a, destination: 203.0.113.1, reason: r, owner: o, expires: "2027-01-01"}]`, newRule(), "brackets"},
		"a broken list":         {"rules:\n  - nonsense: 1\n", newRule(), "nonsense"},
	} {
		_, err := Add([]byte(tc.text), tc.rule)
		require.ErrorContains(t, err, tc.want, name)
	}
}

func TestRemoveKeepsTheRest(t *testing.T) {
	out, err := Remove([]byte(kept), "backup")
	require.NoError(t, err)
	require.NotContains(t, string(out), "Jane")
	require.Contains(t, string(out), "# Our list.\nrules:\n    - {name: cdn")
	out, err = Remove([]byte(kept), "cdn")
	require.NoError(t, err)
	require.Contains(t, string(out), "expires: \"2027-06-30\"\n\n    # The last one.\n    - name: third")
	out, err = Remove([]byte(kept), "third")
	require.NoError(t, err)
	require.NotContains(t, string(out), "The last one")
	require.Contains(t, string(out), "# The end.\n")
	_, err = Remove([]byte(kept), "fourth")
	require.ErrorIs(t, err, ErrNoRule)
	for _, name := range []string{"backup", "cdn", "third"} {
		require.NoError(t, err2(Parse(bytes.NewReader(out))), name)
		if name != "third" {
			out, err = Remove(out, name)
			require.NoError(t, err)
		}
	}
	l, err := Parse(bytes.NewReader(out))
	require.NoError(t, err)
	require.Empty(t, l.Rules)
	out, err = Add(out, newRule())
	require.NoError(t, err)
	require.Contains(t, string(out), "# Our list.")
}

func err2(_ *List, err error) error { return err }

// A rule made for a finding matches it, and no finding that differs in its pair.
func TestRuleForAFindingIsNarrow(t *testing.T) {
	src := netip.MustParseAddr("10.0.0.5")
	finding := func(k hunt.PairKey, f hunt.Finding) *hunt.Finding {
		f.Source.IP, f.Dwell.Pair, f.Dwell.FindingID = src, k.String(), k.FindingID()
		f.Destination.Port, f.Network.Transport = int(k.Port), k.Proto.String()
		return &f
	}
	dst := netip.MustParseAddr("203.0.113.9")
	print := hunt.Fingerprint{Kind: hunt.JA4, Value: "t13d190900_9dc949149365_97f8aa674fd9"}
	all := []*hunt.Finding{
		finding(hunt.PairKey{Src: src, Dst: dst, Port: 443, Proto: hunt.TCP}, hunt.Finding{Destination: hunt.Destination{IP: dst}}),
		finding(hunt.PairKey{Src: src, Dst: dst, Port: 443, Proto: hunt.UDP}, hunt.Finding{Destination: hunt.Destination{IP: dst}}),
		finding(hunt.PairKey{Src: src, Name: "a.example", Port: 443, Proto: hunt.TCP}, hunt.Finding{Destination: hunt.Destination{Domain: "a.example"}}),
		finding(hunt.PairKey{Src: src, Network: netip.MustParsePrefix("203.0.113.0/24"), Port: 80, Proto: hunt.TCP, AnyPort: true},
			hunt.Finding{Dwell: hunt.Dwell{Destination: &hunt.DestinationNetwork{Network: "203.0.113.0/24"}}}),
		finding(hunt.PairKey{Src: src, Fingerprint: print, Port: 443, Proto: hunt.TCP},
			hunt.Finding{Dwell: hunt.Dwell{Destination: &hunt.DestinationNetwork{Fingerprint: print.String()}}}),
		finding(hunt.PairKey{Src: src, DNS: "evil.example", Port: 53, Proto: hunt.UDP},
			hunt.Finding{Destination: hunt.Destination{Domain: "evil.example"}, Dwell: hunt.Dwell{DNS: &hunt.DNSEvidence{}}}),
	}
	for i, f := range all {
		r := For(f)
		r.Name, r.Reason, r.Owner, r.Expires = "n", "r", "o", "2030-01-01"
		require.Empty(t, r.settle(), "%+v", r)
		story := Rule{Name: "n", Finding: f.Dwell.FindingID, Reason: "r", Owner: "o", Expires: "2030-01-01"}
		require.Empty(t, story.settle())
		// The readable form of the pair also makes a rule that matches.
		_, to, err := hunt.ParsePair(f.Dwell.Pair)
		require.NoError(t, err)
		named := OfSide(src.String(), to)
		named.Name, named.Reason, named.Owner, named.Expires = "n", "r", "o", "2030-01-01"
		require.Empty(t, named.settle())
		require.True(t, named.Matches(f), "%s: %+v", f.Dwell.Pair, named)
		require.True(t, to.Is(f), "%s: %+v", f.Dwell.Pair, to)
		for j, other := range all {
			// A rule for a network also covers the addresses in it.
			wider := i == 3 && j < 2
			require.Equal(t, i == j || wider, r.Matches(other), "%s matches %s: %+v", f.Dwell.Pair, other.Dwell.Pair, r)
			require.Equal(t, i == j, story.Matches(other))
		}
		elsewhere := *f
		elsewhere.Source.IP = netip.MustParseAddr("10.0.0.6")
		require.False(t, r.Matches(&elsewhere))
	}
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 11, 25, 23, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"2027-06-30": "2027-06-30", "180d": "2027-05-25", "1d": "2026-11-27", "2026-11-26": "2026-11-26", "2026-11-25": "", "": "", "0d": "", "d": "", "30": "", "30d ": "", "2027-13-01": ""} {
		got, err := ParseExpiry(text, now)
		require.Equal(t, want, got, text)
		require.Equal(t, want == "", err != nil, text)
	}
	got, err := ParseExpiry("1d", time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.Equal(t, "2026-11-26", got, "at midnight it is a day to the second")
}

// A client may query any name: it must not become a rule wider than its finding.
func TestStrangeNamesAreMatchedByTheirStory(t *testing.T) {
	src := netip.MustParseAddr("10.0.0.5")
	for _, name := range []string{"*.co.uk", "wpad", "a b.example", "x\nrules: [].example", "\x1b[2J.example", "*"} {
		k := hunt.PairKey{Src: src, Name: name, Port: 443, Proto: hunt.TCP}
		f := hunt.Finding{Destination: hunt.Destination{Domain: name, Port: 443}, Network: hunt.Network{Transport: "tcp"}}
		f.Source.IP, f.Dwell.Pair, f.Dwell.FindingID = src, k.String(), k.FindingID()
		r := For(&f)
		require.Equal(t, Rule{Finding: k.FindingID()}, r, name)
		r.Name, r.Reason, r.Owner, r.Expires = (&List{}).NameFor(&r), "r", "o", "2030-01-01"
		require.Equal(t, "finding-"+k.FindingID()[:8], r.Name)
		_, err := Add(nil, r)
		require.NoError(t, err)
		require.True(t, r.Matches(&f))
	}
	require.Equal(t, "xn--bcher-kva.example", For(&hunt.Finding{Destination: hunt.Destination{Domain: "xn--bcher-kva.example"}}).Domain)
}

func TestCarriageReturnsStay(t *testing.T) {
	text := strings.ReplaceAll(kept, "\n", "\r\n")
	out, err := Add([]byte(text), newRule())
	require.NoError(t, err)
	require.Equal(t, strings.Count(string(out), "\n"), strings.Count(string(out), "\r\n"))
	out, err = Remove(out, "cdn")
	require.NoError(t, err)
	require.Equal(t, strings.Count(string(out), "\n"), strings.Count(string(out), "\r\n"))
}

// Rules that a user commented out stay, also below the last one.
func TestRemoveKeepsCommentsBelow(t *testing.T) {
	const text = "rules:\n  - {name: a, destination: 203.0.113.1, reason: r, owner: o, expires: \"2027-01-01\"}\n"
	const below = "  # - {name: b, destination: 203.0.113.2, reason: r, owner: o, expires: \"2027-01-01\"}\n"
	out, err := Remove([]byte(text+below), "a")
	require.NoError(t, err)
	require.Equal(t, "rules:\n"+below, string(out))
}

func TestSecondDocumentIsAnError(t *testing.T) {
	_, err := Parse(strings.NewReader(kept + "---\n" + kept))
	require.ErrorContains(t, err, "a second YAML document")
	l, err := Parse(strings.NewReader("---\n" + kept + "...\n"))
	require.NoError(t, err)
	require.Len(t, l.Rules, 3)
}
