// Package output prints findings: a table that fits the terminal, tab-separated text for pipes, JSON, NDJSON, CSV and
// other formats. Text from network data is made harmless on output.
package output

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// Format is one way to print findings.
type Format string

// The formats of -o. Lines replaces a table in a pipe: tab-separated, no header.
const (
	Table  Format = "table"
	Wide   Format = "wide"
	Lines  Format = "lines"
	JSON   Format = "json"
	NDJSON Format = "ndjson"
	CSV    Format = "csv"
	// HTML is a page of one hunt.
	HTML Format = "html"
	// STIX and MISP are for other programs: a STIX 2.1 bundle, a MISP event.
	STIX Format = "stix"
	MISP Format = "misp"
	// Blocks lists names and addresses of escalated findings, one per line.
	Blocks Format = "blocklist"
	// RITA is written to a directory (WriteRITA), never to stdout.
	RITA Format = "rita-csv"
)

// formats is the one list of -o's values, from which help, errors, completion and documents are made. Hunt marks those
// only for `dwell hunt`, Stored those only for stored findings, which alone have a disposition.
var formats = [...]struct {
	Format
	About        string
	Hunt, Stored bool
}{
	{Table, "a table for people", false, false},
	{Wide, "a table with every column, nothing cut", false, false},
	{JSON, "one object: the hunt and its findings", false, false},
	{NDJSON, "one finding per line, as stored", false, false},
	{CSV, "one row per finding", false, false},
	{HTML, "a page of its own, to read and hand on", false, false},
	{STIX, "a STIX 2.1 bundle", false, false},
	{MISP, "an event for MISP", false, false},
	{Blocks, "names and addresses of escalated findings, one a line", false, true},
	{RITA, "the files of Security Onion's RITA integration, with --out", true, false},
}

// Formats lists the values of -o for `dwell hunt` (ofHunt) or for stored findings.
func Formats(ofHunt bool) []string {
	var names []string
	for _, f := range formats {
		if ofHunt && !f.Stored || !ofHunt && !f.Hunt {
			names = append(names, string(f.Format))
		}
	}
	return names
}

// FormatHelp is the help of -o.
func FormatHelp(ofHunt bool) string {
	return "`format`: " + strings.Join(Formats(ofHunt), ", ") + " (default: table on a terminal, tab-separated lines in a pipe)"
}

// ParseFormat parses the value of -o.
func ParseFormat(s string, ofHunt bool) (Format, error) {
	if !slices.Contains(Formats(ofHunt), s) {
		return "", fmt.Errorf("output format %q is not one of %s", s, strings.Join(Formats(ofHunt), ", "))
	}
	return Format(s), nil
}

// Options are how to print.
type Options struct {
	Format Format
	// Width of the terminal in columns, used by the table; 0 means unlimited.
	Width int
	// Color enables severity colors; the word is always printed too.
	Color bool
	// Hunt is the hunt's document, part of the JSON object unless nil.
	Hunt *hunt.Document
	// Groups are the campaigns that the table shows as one entry, by their leading finding's id ([Leads]).
	Groups map[string]Group
	// Campaigns of the findings, strongest first, for the JSON object.
	Campaigns []hunt.Campaign
}

// Findings prints the findings in order. An empty list prints [] in JSON, otherwise no rows.
func Findings(w io.Writer, findings []hunt.Finding, o Options) error {
	switch o.Format {
	case JSON:
		return writeJSON(w, findings, o)
	case NDJSON:
		return writeNDJSON(w, findings)
	case CSV:
		return writeCSV(w, findings)
	case Lines:
		return writeLines(w, findings)
	case HTML:
		return fmt.Errorf("%s is printed by package report", HTML)
	case STIX:
		return writeSTIX(w, findings)
	case MISP:
		return writeMISP(w, findings)
	case Blocks:
		return writeBlockList(w, findings)
	case RITA:
		return fmt.Errorf("%s is three files: it is written into a directory", RITA)
	case Wide:
		return writeWide(w, findings, o)
	case Table:
		return writeTable(w, findings, o)
	}
	return fmt.Errorf("output format %q has no writer", o.Format)
}

// object is what -o json prints.
type object struct {
	SchemaVersion int            `json:"schema_version"`
	Hunt          *hunt.Document `json:"hunt,omitempty"`
	Findings      []hunt.Finding `json:"findings"`
	// Campaigns are groups of hosts that behave alike.
	Campaigns []hunt.Campaign `json:"campaigns"`
}

func writeJSON(w io.Writer, findings []hunt.Finding, o Options) error {
	e := Encoder(w)
	e.SetIndent("", "  ")
	return e.Encode(object{SchemaVersion: hunt.SchemaVersion, Hunt: o.Hunt, Findings: append([]hunt.Finding{}, findings...), Campaigns: append([]hunt.Campaign{}, o.Campaigns...)})
}

func writeNDJSON(w io.Writer, findings []hunt.Finding) error {
	e := Encoder(w)
	for i := range findings {
		if err := e.Encode(&findings[i]); err != nil {
			return err
		}
	}
	return nil
}

// Encoder encodes all JSON output. It keeps "<", ">" and "&" readable (10.1.4.22>203.0.113.7), because this is never
// embedded in HTML. Characters that affect a terminal (C1, direction overrides, zero width) are escaped, which decodes
// to the same text.
func Encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(escaping{w})
	e.SetEscapeHTML(false)
	return e
}
