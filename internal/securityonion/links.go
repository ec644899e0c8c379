package securityonion

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Term is a condition on one field: equal to a text, whatever it holds. Texts out of network data are safe in it.
type Term struct{ Field, Value string }

// OQL is the search part of a query for Hunt: all terms, joined with AND. Every value stands in quotes, in which nothing
// is a wildcard or an operator; quotes and backslashes in it are escaped. Hunt's own parser cannot take an empty value,
// so a term without one asks for the field to be missing.
func OQL(terms ...Term) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		if strings.TrimSpace(t.Value) == "" {
			parts[i] = "NOT _exists_:" + t.Field
			continue
		}
		parts[i] = t.Field + `:"` + escape(t.Value) + `"`
	}
	return strings.Join(parts, " AND ")
}

// KQL is the same for Kibana's query bar.
func KQL(terms ...Term) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		if t.Value == "" {
			parts[i] = "not " + t.Field + ": *"
			continue
		}
		parts[i] = t.Field + `: "` + escape(t.Value) + `"`
	}
	return strings.Join(parts, " and ")
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
// gives an address relative to it. The range is given in UTC; with both times zero, Hunt takes its default (24 hours).
func HuntURL(base, oql string, from, to time.Time) string {
	link := strings.TrimSuffix(base, "/") + "/#/hunt?q=" + component(oql)
	if !from.IsZero() && !to.IsZero() {
		link += "&t=" + component(from.UTC().Format(huntTime)+" - "+to.UTC().Format(huntTime)) + "&z=UTC"
	}
	return link
}

// DiscoverURL is the address of a query in Kibana's Discover on a data view. base is Kibana's address with its path
// ("https://manager/kibana"); empty gives an address relative to it.
func DiscoverURL(base, view, kql string, from, to time.Time) string {
	state := fmt.Sprintf("(index:%s,query:(language:kuery,query:%s))", rison(view), rison(kql))
	link := strings.TrimSuffix(base, "/") + "/app/discover#/?"
	if !from.IsZero() && !to.IsZero() {
		link += "_g=" + component(fmt.Sprintf("(time:(from:%s,to:%s))", rison(from.UTC().Format(timeLayout)), rison(to.UTC().Format(timeLayout)))) + "&"
	}
	return link + "_a=" + component(state)
}

// DefaultView is the id of the data view that Security Onion's Kibana opens with.
const DefaultView = "logs-*"

// rison quotes a text in the notation of Kibana's addresses.
func rison(s string) string {
	return "'" + strings.NewReplacer("!", "!!", "'", "!'").Replace(s) + "'"
}

// component escapes a text for the part of an address behind the #, where a plus sign is a plus sign.
func component(s string) string {
	return strings.NewReplacer("+", "%20", "'", "%27", "!", "%21", "(", "%28", ")", "%29", "*", "%2A").Replace(url.QueryEscape(s))
}
