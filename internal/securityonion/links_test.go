package securityonion

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile are names that an attacker may choose, with the expected text between the quotes.
var hostile = []struct{ name, name1, quoted string }{
	{"plain", "cdn.example", "cdn.example"},
	{"closes the quote", `x" OR event.dataset:"zeek.conn`, `x\" OR event.dataset:\"zeek.conn`},
	{"ends with a backslash", `x\`, `x\\`},
	{"escapes the escape", `x\" OR *`, `x\\\" OR *`},
	{"wildcards", `*.example?`, `*.example?`},
	{"pipe", `a | groupby source.ip`, `a | groupby source.ip`},
	{"parentheses", `a) OR (b`, `a) OR (b`},
	{"address", `x&q=*#/y?t=1`, `x&q=*#/y?t=1`},
	{"rison", `x')),index:'other`, `x')),index:'other`},
	{"bang", `!x!!'`, `!x!!'`},
	{"newline", "a\nb\x1b[31m", "a b [31m"},
	{"script", `<script>alert(1)</script>`, `<script>alert(1)</script>`},
	{"unicode", "bücher.example\u202e", "bücher.example\u202e"},
}

func TestValuesStayValues(t *testing.T) {
	from := time.Date(2026, 3, 1, 13, 4, 5, 0, time.UTC)
	for _, tc := range hostile {
		t.Run(tc.name, func(t *testing.T) {
			q := Query{All: []Term{{Field: FieldServerName, Value: tc.name1}}}
			oql := q.OQL()
			require.Equal(t, `ssl.server_name:"`+tc.quoted+`"`, oql)
			require.Equal(t, `ssl.server_name: "`+tc.quoted+`"`, q.KQL())
			u, err := url.Parse(HuntURL("https://manager/", oql, from, from.Add(24*time.Hour)))
			require.NoError(t, err)
			path, query, ok := strings.Cut(u.Fragment, "?")
			require.True(t, ok)
			require.Equal(t, "/hunt", path)
			require.NotContains(t, query, "\n")
			// The console's router decodes the parameters of the raw fragment.
			raw := u.EscapedFragment()
			values, err := url.ParseQuery(raw[strings.Index(raw, "?")+1:])
			require.NoError(t, err)
			require.Len(t, values, 3)
			require.Equal(t, oql, values.Get("q"))
			require.Equal(t, "2026/03/01 01:04:05 PM - 2026/03/02 01:04:04 PM", values.Get("t"))
			require.Equal(t, "UTC", values.Get("z"))
		})
	}
}

// unrison reads a text quoted by rison, and returns it and the rest.
func unrison(t *testing.T, s string) (string, string) {
	t.Helper()
	require.True(t, strings.HasPrefix(s, "'"), s)
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '!':
			i++
			b.WriteByte(s[i])
		case '\'':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	require.Fail(t, "the text does not end", s)
	return "", ""
}

func TestDiscoverURL(t *testing.T) {
	for _, tc := range hostile {
		kql := Query{All: []Term{{Field: FieldSourceIP, Value: "10.0.0.1"}, {Field: FieldHost, Value: tc.name1}}}.KQL()
		link := DiscoverURL("https://manager/", DefaultView, kql, time.Unix(0, 0), time.Unix(60, 0))
		raw, ok := strings.CutPrefix(link, "https://manager/kibana/app/discover#/?")
		require.True(t, ok)
		values, err := url.ParseQuery(raw)
		require.NoError(t, err)
		require.Len(t, values, 2, tc.name)
		require.Equal(t, "(time:(from:'1970-01-01T00:00:00.000Z',to:'1970-01-01T00:00:59.999Z'))", values.Get("_g"))
		rest, ok := strings.CutPrefix(values.Get("_a"), "(index:'logs-*',query:(language:kuery,query:")
		require.True(t, ok, values.Get("_a"))
		text, rest := unrison(t, rest)
		require.Equal(t, kql, text)
		require.Equal(t, "))", rest)
	}
}

func TestLinksWithoutValuesOrTimes(t *testing.T) {
	require.Equal(t, `event.dataset:"zeek.conn" AND NOT _exists_:ssl.server_name`, Query{All: []Term{{Field: FieldDataset, Value: "zeek.conn"}, {Field: FieldServerName}}}.OQL())
	require.Equal(t, `not ssl.server_name: *`, Query{All: []Term{{Field: FieldServerName}}}.KQL())
	require.Equal(t, "/#/hunt?q=a%3A%221%20%2B%201%22", HuntURL("", Query{All: []Term{{Field: "a", Value: "1 + 1"}}}.OQL(), time.Time{}, time.Time{}))
	require.Equal(t, "/kibana/app/discover#/?_a=%28index%3A%27v%27%2Cquery%3A%28language%3Akuery%2Cquery%3A%27x%27%29%29", DiscoverURL("", "v", "x", time.Time{}, time.Time{}))
}

// Text between parentheses must mean the same to the console's parser, which does not know quotes there and includes
// the field name before an opening parenthesis (securityonion-soc, model/query.go).
func TestParenthesesHoldHostNamesOnly(t *testing.T) {
	group := regexp.MustCompile(`^\((?:(?: OR | AND )?[a-z_.]+:(?:\*\.)?[a-z0-9._?-]+)+\)$`)
	for _, tc := range hostile {
		for _, q := range []Query{
			{All: []Term{{Field: FieldQuery, Value: tc.name1, Below: true}}},
			{Any: []Term{{Field: FieldServerName, Value: tc.name1}, {Field: FieldHost, Value: tc.name1}}},
		} {
			require.Regexp(t, group, q.OQL())
		}
	}
	q := Query{All: []Term{{Field: FieldQuery, Value: "evil.co.uk", Below: true}}, Any: []Term{{Field: "a", Value: "-x(Y"}, {Field: "b", Value: "-"}},
		Without: [][]Term{{{Field: FieldTransport, Value: "udp"}, {Field: FieldDestinationPort, Value: "53"}}}}
	require.Equal(t, "(dns.query.name:evil.co.uk OR dns.query.name:*.evil.co.uk) AND (a:?x?? OR b:?) AND NOT (network.transport:udp AND destination.port:53)", q.OQL())
	require.Equal(t, `(dns.query.name: "evil.co.uk" or dns.query.name: *.evil.co.uk) and (a: "-x(Y" or b: "-") and not (network.transport: "udp" and destination.port: "53")`, q.KQL())
	require.Equal(t, `(dns.query.name: "a\"(*b" or dns.query.name: *.a***b)`, Query{All: []Term{{Field: FieldQuery, Value: `a"(*b`, Below: true}}}.KQL())
}
