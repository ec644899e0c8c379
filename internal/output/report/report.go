// Package report prints a hunt as one self-contained HTML page: coverage, campaigns and findings, hosts. Its content
// security policy allows only its own style and script, by hash. The page is readable without the script.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/output"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

//go:embed script.js
var script string

// maxBytes limits the page size. Only the strongest entries have details until it is reached; weaker ones are lines
// only, and the page says so.
const maxBytes = 1_900_000

// Options are the page's content besides the findings.
type Options struct {
	// Hunt is the hunt's document, nil for findings of several hunts.
	Hunt *hunt.Document
	// Campaigns of the hunt. Without them the page uses what findings say of their campaigns.
	Campaigns []hunt.Campaign
	// Now is the creation time; zero omits it.
	Now time.Time
}

// page is the template's data.
type page struct {
	Policy  string
	Style   template.CSS
	Script  template.JS
	Options Options
	Title   string
	Sum     summary
	Cover   *coverage
	Hosts   []hostRow
	// MoreHosts is the number of hosts not listed.
	MoreHosts int
	// Whole is the number of entries with details, More of those without.
	Whole, More int
}

// Write prints findings, strongest first, as a page.
func Write(w io.Writer, findings []hunt.Finding, o Options) error {
	t, err := template.New("page").Funcs(functions()).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse the page of the report: %w", err)
	}
	entries := group(findings, o.Campaigns)
	p := page{Style: template.CSS(style), Script: template.JS(script), Options: o, Policy: policy(), Title: title(o.Hunt), Sum: sum(entries, findings), //nolint:gosec // both are ours
		Cover: cover(o.Hunt), Hosts: hosts(entries)}
	if n := len(p.Hosts) - maxHosts; n > 0 {
		p.Hosts, p.MoreHosts = p.Hosts[:maxHosts], n
	}
	part := func(name string, data any) ([]byte, error) {
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, name, data); err != nil {
			return nil, fmt.Errorf("print the report's %s: %w", name, err)
		}
		return b.Bytes(), nil
	}
	tail, err := part("tail", &p)
	if err != nil {
		return err
	}
	lines, left := make([][]byte, len(entries)), maxBytes-len(tail)-len(style)
	for i := range entries {
		if lines[i], err = part("short", &entries[i]); err != nil {
			return err
		}
		left -= len(lines[i]) + len(entries[i].Classes()) + len(entries[i].Sorts()) + 40 // the tag around it
	}
	var bodies [][]byte
	for i := range entries {
		e := &entries[i]
		line, err := part("line", e)
		if err != nil {
			return err
		}
		body, err := part("body", e)
		if err != nil {
			return err
		}
		if left -= len(line) - len(lines[i]) + len(body); left < 0 {
			break
		}
		lines[i], bodies = line, append(bodies, body)
	}
	p.Whole, p.More = len(bodies), len(entries)-len(bodies)
	head, err := part("head", &p)
	if err != nil {
		return err
	}
	out := &counting{w: w}
	out.write(head)
	for i := range entries {
		e := &entries[i]
		if i < len(bodies) {
			fmt.Fprintf(out, `<details class="e %s" id="e%s" data-s="%s">%s%s</details>`+"\n", e.Classes(), e.ID, e.Sorts(), lines[i], bodies[i])
		} else {
			fmt.Fprintf(out, `<div class="e %s" data-s="%s">%s</div>`+"\n", e.Classes(), e.Sorts(), lines[i])
		}
	}
	out.write(tail)
	return out.err
}

// policy allows the page's own style and script, by hash, and no fetches.
func policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) + "; base-uri 'none'; form-action 'none'"
}

func title(doc *hunt.Document) string {
	if doc == nil {
		return "dwell: stored findings"
	}
	return "dwell: hunt of " + moment(doc.Dwell.Window.Start) + " to " + moment(doc.Dwell.Window.End)
}

// counting keeps the first error.
type counting struct {
	w   io.Writer
	err error
}

func (c *counting) Write(b []byte) (int, error) {
	c.write(b)
	return len(b), nil
}

func (c *counting) write(b []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(b)
	}
}

func moment(t hunt.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// functions are the template's. Network data goes through clean or cut, then through the template's escaping.
func functions() template.FuncMap {
	return template.FuncMap{
		"clean":      func(s string) string { return cut(s, 600) },
		"cut":        func(n int, s string) string { return cut(s, n) },
		"count":      hunt.Count[int64],
		"number":     hunt.Count[int],
		"many":       func(n int, one string) string { return hunt.Many(n, one) },
		"bytes":      hunt.Size,
		"brief":      hunt.Brief,
		"time":       moment,
		"percent":    func(x float64) string { return fmt.Sprintf("%.0f%%", 100*x) },
		"timeline":   timeline,
		"histogram":  histogram,
		"spark":      spark,
		"bar":        bar,
		"dwellTime":  dwellTime,
		"rhythm":     output.Rhythm,
		"to":         output.Destination,
		"prevalence": output.Prevalence,
		"link":       consoleLink,
		"query":      consoleQuery,
	}
}

// cut makes text harmless, and shortens it to n characters with a remark of how many are missing.
func cut(s string, n int) string {
	const slack = 24 // room for the remark
	if len(s) > 64*n {
		s = s[:64*n]
	}
	r := []rune(output.Clean(s))
	if len(r) <= n {
		return string(r)
	}
	keep := max(n-slack, 8)
	return fmt.Sprintf("%s… (%s more characters)", string(r[:keep]), hunt.Count(len(r)-keep))
}
