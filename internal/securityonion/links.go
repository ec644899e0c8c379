package securityonion

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Term is a condition on one field: equal to a text, literally. Text from network data is safe in it.
type Term struct {
	Field, Value string
	// Below also matches every name under the value: evil.co.uk matches a.evil.co.uk, but not notevil.co.uk.
	Below bool
}

// Query selects documents; OQL, KQL and Filter render it in three languages.
type Query struct {
	// All must match, and at least one of Any unless it is empty.
	All, Any []Term
	// Without excludes documents that match every term of one of its lists.
	Without [][]Term
}

// OQL is the search part of a query for Hunt, which Elasticsearch reads as a query_string. Values are quoted and
// escaped, so that nothing in them is a wildcard or an operator.
//
// The console's own parser does not know quotes between parentheses. There a value is bare, and ? (any one character)
// replaces all but lower-case letters, digits, dots, hyphens and underscores: every host still matches, and nothing can
// be injected. An empty value, which that parser rejects too, becomes a test for a missing field.
func (q Query) OQL() string {
	var parts []string
	for _, t := range q.All {
		if t.Below {
			parts = append(parts, "("+t.bare()+")")
			continue
		}
		parts = append(parts, t.quoted())
	}
	if len(q.Any) > 0 {
		parts = append(parts, "("+join(q.Any, " OR ", Term.bare)+")")
	}
	for _, w := range q.Without {
		parts = append(parts, "NOT ("+join(w, " AND ", Term.bare)+")")
	}
	return strings.Join(parts, " AND ")
}

func join(terms []Term, with string, text func(Term) string) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = text(t)
	}
	return strings.Join(parts, with)
}

func (t Term) missing() bool { return strings.TrimSpace(t.Value) == "" }

func (t Term) quoted() string {
	if t.missing() {
		return "NOT _exists_:" + t.Field
	}
	return t.Field + `:"` + escape(t.Value) + `"`
}

// bare is the term as it is written between parentheses.
func (t Term) bare() string {
	if t.missing() {
		return "NOT _exists_:" + t.Field
	}
	value := plain(t.Value, '?')
	if t.Below {
		return t.Field + ":" + value + " OR " + t.Field + ":*." + value
	}
	return t.Field + ":" + value
}

// plain keeps the characters of host names and replaces others with the wildcard. Capitals and a leading hyphen go too:
// they could be operators.
func plain(s string, wildcard rune) string {
	at := 0
	return strings.Map(func(r rune) rune {
		at++
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' && at > 1 {
			return r
		}
		return wildcard
	}, s)
}

// KQL is the query for Kibana's query bar.
func (q Query) KQL() string {
	parts := make([]string, 0, len(q.All)+1)
	for _, t := range q.All {
		parts = append(parts, t.kql())
	}
	if len(q.Any) > 0 {
		parts = append(parts, "("+join(q.Any, " or ", Term.kql)+")")
	}
	for _, w := range q.Without {
		parts = append(parts, "not ("+join(w, " and ", Term.kql)+")")
	}
	return strings.Join(parts, " and ")
}

func (t Term) kql() string {
	switch {
	case t.missing():
		return "not " + t.Field + ": *"
	case t.Below:
		return "(" + t.Field + `: "` + escape(t.Value) + `" or ` + t.Field + ": *." + plain(t.Value, '*') + ")"
	}
	return t.Field + `: "` + escape(t.Value) + `"`
}

// Filter is the query as Elasticsearch filter clauses, all of which must match, ready for JSON.
func (q Query) Filter() []any {
	clauses := func(terms []Term) []any {
		out := make([]any, len(terms))
		for i, t := range terms {
			out[i] = t.clause()
		}
		return out
	}
	out := clauses(q.All)
	if len(q.Any) > 0 {
		out = append(out, map[string]any{"bool": map[string]any{"should": clauses(q.Any), "minimum_should_match": 1}})
	}
	for _, w := range q.Without {
		out = append(out, map[string]any{"bool": map[string]any{"must_not": map[string]any{"bool": map[string]any{"filter": clauses(w)}}}})
	}
	return out
}

func (t Term) clause() any {
	equal := map[string]any{"term": map[string]any{t.Field: t.Value}}
	switch {
	case t.missing():
		return map[string]any{"bool": map[string]any{"must_not": map[string]any{"exists": map[string]any{"field": t.Field}}}}
	case t.Below:
		literal := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(t.Value)
		return map[string]any{"bool": map[string]any{"minimum_should_match": 1, "should": []any{
			equal, map[string]any{"wildcard": map[string]any{t.Field: map[string]any{"value": "*." + literal}}}}}}
	}
	return equal
}

// escape makes a value safe between double quotes, for Lucene and Kibana. Control characters become spaces, so that a
// link stays on one line.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// huntTime is the time format in the URLs of Security Onion's console.
const huntTime = "2006/01/02 03:04:05 PM"

// HuntURL is the URL of a query in Security Onion's Hunt. base is the manager's address ("https://manager"); if empty,
// the URL is relative. The range [from, to) is given in UTC and whole seconds, including the whole of the last one, as
// the console searches it: exact for whole seconds, otherwise up to a second wider at either end. With both times zero,
// Hunt uses its default (24 hours).
func HuntURL(base, oql string, from, to time.Time) string {
	link := strings.TrimSuffix(base, "/") + "/#/hunt?q=" + component(oql)
	if !from.IsZero() && !to.IsZero() {
		last := to.Add(-time.Millisecond)
		link += "&t=" + component(from.UTC().Format(huntTime)+" - "+last.UTC().Format(huntTime)) + "&z=UTC"
	}
	return link
}

// DiscoverURL is the URL of a query over [from, to), in milliseconds, in Kibana's Discover, on a data view. base is the
// manager's address; if empty, the URL is relative.
func DiscoverURL(base, view, kql string, from, to time.Time) string {
	state := fmt.Sprintf("(index:%s,query:(language:kuery,query:%s))", rison(view), rison(kql))
	link := strings.TrimSuffix(base, "/") + "/kibana/app/discover#/?"
	if !from.IsZero() && !to.IsZero() {
		last := to.Add(-time.Millisecond)
		link += "_g=" + component(fmt.Sprintf("(time:(from:%s,to:%s))", rison(from.UTC().Format(TimeLayout)), rison(last.UTC().Format(TimeLayout)))) + "&"
	}
	return link + "_a=" + component(state)
}

// DefaultView is the id of the default data view in Security Onion's Kibana.
const DefaultView = "logs-*"

var (
	risonQuotes    = strings.NewReplacer("!", "!!", "'", "!'")
	componentMarks = strings.NewReplacer("+", "%20", "'", "%27", "!", "%21", "(", "%28", ")", "%29", "*", "%2A")
)

// rison quotes a text in the notation of Kibana's URLs.
func rison(s string) string {
	return "'" + risonQuotes.Replace(s) + "'"
}

// component escapes a text for the URL fragment, where a plus sign is not a space.
func component(s string) string {
	return componentMarks.Replace(url.QueryEscape(s))
}

// TimeLayout is the format of dates in documents and links: UTC, to the millisecond.
const TimeLayout = "2006-01-02T15:04:05.000Z"
