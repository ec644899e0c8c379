package safelist

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"dwell/internal/hunt"
)

// For returns the narrowest rule for a finding, without name, reason, owner and expiry: its source, its destination
// with port and transport if it has them, and what it shows. A client can send names that would make a wide rule or
// none ("*.co.uk", "wpad"); such a finding is matched by its id.
func For(f *hunt.Finding) Rule {
	if name := f.Destination.Domain; name != "" && !plain(name) {
		return Rule{Finding: f.Dwell.FindingID, Seen: seenOf(f)}
	}
	r := Rule{Source: f.Source.IP.String(), Seen: seenOf(f)}
	ofPort := strings.Contains(f.Dwell.Pair, fmt.Sprintf(":%d/", f.Destination.Port))
	switch d := f.Dwell.Destination; {
	case d != nil && d.Network != "":
		r.Destination, ofPort = d.Network, false
	case d != nil && d.Fingerprint != "":
		r.Fingerprint = d.Fingerprint
	case f.Destination.Domain != "":
		r.Domain = f.Destination.Domain
	default:
		r.Destination = f.Destination.IP.String()
	}
	if r.DNS = f.Dwell.DNS != nil; ofPort && !r.DNS {
		r.Port, r.Transport = f.Destination.Port, f.Network.Transport
	}
	return r
}

// plain reports whether a name has dots and only the characters of a host name.
func plain(name string) bool {
	return strings.Contains(name, ".") && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '.' && c != '-' && c != '_' && c != ':' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
}

// OfSide returns the rule for a source and a destination that a user named.
func OfSide(source string, to hunt.Side) Rule {
	r := Rule{Source: source, Fingerprint: to.Fingerprint, Domain: to.Name, Port: int(to.Port), Transport: to.Transport, DNS: to.DNS}
	switch {
	case to.Addr.IsValid():
		r.Destination = to.Addr.String()
	case to.Network.IsValid():
		r.Destination = to.Network.String()
	}
	return r
}

// NameFor returns a name that no rule of the list has.
func (l *List) NameFor(r *Rule) string {
	text := r.Source + " " + r.Destination + r.Domain + r.Fingerprint
	if r.ASN != 0 {
		text += fmt.Sprintf("as%d", r.ASN)
	}
	if r.Finding != "" {
		text += " finding " + r.Finding[:min(len(r.Finding), 8)]
	}
	base := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(text))
	base = strings.Trim(base, "-")
	name := base
	for i := 2; slices.ContainsFunc(l.Rules, func(o Rule) bool { return o.Name == name }); i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return name
}

// ErrNoRule means that a list has no rule of that name.
var ErrNoRule = errors.New("there is no rule with that name")

// Add returns a list's text with one rule appended. Every other byte is kept.
func Add(text []byte, r Rule) ([]byte, error) {
	before, err := Parse(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if problems := r.settle(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode([]Rule{r}), e.Close()); err != nil {
		return nil, fmt.Errorf("write the rule: %w", err)
	}
	indent, block, err := itemIndent(text)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(text)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	if !block {
		if len(before.Rules) > 0 {
			return nil, errors.New("the rules are in brackets: write each as a list item, beginning with \"- \", and try again")
		}
		out = append(bytes.TrimRight(dropEmptyRules(out), "\n"), "\nrules:\n"...)
		out = bytes.TrimLeft(out, "\n")
	}
	end := []byte("\n")
	if bytes.Contains(text, []byte("\r\n")) { // keep the file's line endings
		end = []byte("\r\n")
	}
	for line := range bytes.Lines(b.Bytes()) {
		out = append(append(append(out, strings.Repeat(" ", indent)...), bytes.TrimSuffix(line, []byte("\n"))...), end...)
	}
	return out, holds(out, append(slices.Clone(before.Rules), r))
}

// Remove returns a list's text without the named rule and the comment lines directly above it.
func Remove(text []byte, name string) ([]byte, error) {
	before, err := Parse(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(before.Rules, func(r Rule) bool { return r.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("%q: %w", name, ErrNoRule)
	}
	items, err := rulesNode(text)
	if err != nil {
		return nil, err
	}
	lines := slices.Collect(bytes.Lines(text))
	begin := func(i int) int { // the 0-based line where item i starts, including its comment
		line := items.Content[i].Line - 1
		for line > 0 && bytes.HasPrefix(bytes.TrimSpace(lines[line-1]), []byte("#")) {
			line--
		}
		return line
	}
	from, to := begin(at), len(lines)
	if at+1 < len(items.Content) {
		to = begin(at + 1)
	} else {
		for to > from && (len(bytes.TrimSpace(lines[to-1])) == 0 || bytes.HasPrefix(bytes.TrimSpace(lines[to-1]), []byte("#"))) {
			to-- // comments at the end are about the list, or rules commented out
		}
	}
	out := bytes.Join(slices.Concat(lines[:from], lines[to:]), nil)
	return out, holds(out, slices.Delete(slices.Clone(before.Rules), at, at+1))
}

// holds checks that a changed text has exactly these rules.
func holds(text []byte, rules []Rule) error {
	after, err := Parse(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("the list cannot be changed without rewriting it; edit it by hand: %w", err)
	}
	for i := range rules {
		rules[i].settle()
	}
	if !slices.Equal(after.Rules, rules) {
		return errors.New("the list cannot be changed without rewriting it; edit it by hand (each rule a list item, beginning with \"- \")")
	}
	return nil
}

// rulesNode is the YAML sequence of rules, nil if there is none.
func rulesNode(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("safelist: %w", err)
	}
	if len(doc.Content) == 0 || len(doc.Content[0].Content) < 2 {
		return nil, nil
	}
	return doc.Content[0].Content[1], nil
}

// itemIndent is the indentation of the rules' "- "; block is false if there is no list to append to.
func itemIndent(text []byte) (indent int, block bool, err error) {
	n, err := rulesNode(text)
	if err != nil || n == nil || n.Kind != yaml.SequenceNode || n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0 {
		return 2, false, err
	}
	line := slices.Collect(bytes.Lines(text))[n.Content[0].Line-1]
	return len(line) - len(bytes.TrimLeft(line, " ")), true, nil
}

// dropEmptyRules removes a "rules:" without rules, so that it can be written again.
func dropEmptyRules(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if t := strings.ReplaceAll(strings.TrimSpace(string(line)), " ", ""); t != "rules:" && t != "rules:[]" {
			out = append(out, line...)
		}
	}
	return out
}

// ParseExpiry returns the expiry day for a future date (2027-06-30) or for a number of whole days that the rule holds
// at least (90d).
func ParseExpiry(text string, now time.Time) (string, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if !now.Before(day) {
			return "", fmt.Errorf("%s has begun already (UTC), so the rule would never apply", text)
		}
		return text, nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && days > 0 && text == fmt.Sprintf("%dd", days) {
		day := 24 * time.Hour
		return now.UTC().Add(day-1).Truncate(day).AddDate(0, 0, days).Format(time.DateOnly), nil
	}
	return "", fmt.Errorf("%q is not a day, as in 2027-06-30, nor a number of days, as in 90d", text)
}
