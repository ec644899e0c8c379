package securityonion

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Term is a condition on one field: equal to a text, whatever it holds. Texts out of network data are safe in it.
type Term struct {
	Field, Value string
	// Below takes every name below the value, too, as a domain: evil.co.uk and a.evil.co.uk, but not notevil.co.uk.
	Below bool
}

// Query says which documents are meant; OQL, KQL and Filter say it in three languages.
type Query struct {
	// All hold, and, where there are some, one of Any.
	All, Any []Term
	// Without leaves out what all terms of one of its lists hold for.
	Without [][]Term
}

// OQL is the search part of a query for Hunt, which Elasticsearch reads as a query_string. Every value stands in quotes, in
// which nothing is a wildcard or an operator; quotes and backslashes in it are escaped. Where the console's own parser
// does not know quotes, which is between parentheses, a value stands bare, with a question mark (any one character) for
// what is no lower-case letter, digit, dot, hyphen or underscore: no host is lost, and nothing else can be said. That
// parser cannot take an empty value either, so a term without one asks for the field to be missing.
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

// bare is the term between parentheses.
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

// plain keeps what host names are made of and has a wildcard for each other character. Capitals are not kept, so that
// no value is an operator, nor is a hyphen at the beginning, which would be one.
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

// Filter is the query as clauses of Elasticsearch's own language, all of which hold, ready for JSON.
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

// escape makes a value safe between double quotes, in Lucene's language as in Kibana's. Control characters cannot be
// searched for by hand; they become spaces, so that a link stays one line.
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

// huntTime is how Security Onion's console writes a time range in its addresses.
const huntTime = "2006/01/02 03:04:05 PM"

// HuntURL is the address of a query in Security Onion's Hunt. base is the manager's address ("https://manager"); empty
// gives an address relative to it. The range [from, to) is given in UTC and in whole seconds, all of the last one
// included, as the console's search takes it: exact for times that are whole seconds, else up to a second wider at either
// end. With both times zero, Hunt takes its default (24 hours).
func HuntURL(base, oql string, from, to time.Time) string {
	link := strings.TrimSuffix(base, "/") + "/#/hunt?q=" + component(oql)
	if !from.IsZero() && !to.IsZero() {
		last := to.Add(-time.Millisecond)
		link += "&t=" + component(from.UTC().Format(huntTime)+" - "+last.UTC().Format(huntTime)) + "&z=UTC"
	}
	return link
}

// DiscoverURL is the address of a query over [from, to), in milliseconds, in Discover of Security Onion's Kibana, on a
// data view. base is the manager's address; empty gives an address relative to it.
func DiscoverURL(base, view, kql string, from, to time.Time) string {
	state := fmt.Sprintf("(index:%s,query:(language:kuery,query:%s))", rison(view), rison(kql))
	link := strings.TrimSuffix(base, "/") + "/kibana/app/discover#/?"
	if !from.IsZero() && !to.IsZero() {
		last := to.Add(-time.Millisecond)
		link += "_g=" + component(fmt.Sprintf("(time:(from:%s,to:%s))", rison(from.UTC().Format(TimeLayout)), rison(last.UTC().Format(TimeLayout)))) + "&"
	}
	return link + "_a=" + component(state)
}

// DefaultView is the id of the data view that Security Onion's Kibana opens with.
const DefaultView = "logs-*"

var (
	risonQuotes    = strings.NewReplacer("!", "!!", "'", "!'")
	componentMarks = strings.NewReplacer("+", "%20", "'", "%27", "!", "%21", "(", "%28", ")", "%29", "*", "%2A")
)

// rison quotes a text in the notation of Kibana's addresses.
func rison(s string) string {
	return "'" + risonQuotes.Replace(s) + "'"
}

// component escapes a text for the part of an address behind the #, where a plus sign is a plus sign.
func component(s string) string {
	return componentMarks.Replace(url.QueryEscape(s))
}

// TimeLayout is how dates stand in documents and in links: UTC, to the millisecond.
const TimeLayout = "2006-01-02T15:04:05.000Z"
