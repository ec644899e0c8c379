// Package output prints findings: a table that fits the terminal, tab-separated text for pipes, JSON, NDJSON, CSV
// and other formats. Text that came out of network data is made harmless on the way out; numbers and times are ours
// and stay.
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

// The formats of -o. Lines is what a table becomes in a pipe: tab-separated, no header.
const (
	Table  Format = "table"
	Wide   Format = "wide"
	Lines  Format = "lines"
	JSON   Format = "json"
	NDJSON Format = "ndjson"
	CSV    Format = "csv"
	// HTML is a page of one hunt, for reading and handing on.
	HTML Format = "html"
	// STIX and MISP are for other programs: a STIX 2.1 bundle, an event of MISP.
	STIX Format = "stix"
	MISP Format = "misp"
	// Blocks is a list of names and addresses of escalated findings, one a line.
	Blocks Format = "blocklist"
	// RITA is written into a directory (WriteRITA), never to stdout.
	RITA Format = "rita-csv"
)

// formats is the one list of what -o takes: help, errors, completion and documents follow it. Hunt marks those of `dwell hunt` alone, Stored those
// of stored findings, which alone have a disposition.
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

// Formats lists what -o takes: ofHunt those of `dwell hunt`, else those of stored findings.
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

// ParseFormat reads the value of -o.
func ParseFormat(s string, ofHunt bool) (Format, error) {
	if !slices.Contains(Formats(ofHunt), s) {
		return "", fmt.Errorf("output format %q is not one of %s", s, strings.Join(Formats(ofHunt), ", "))
	}
	return Format(s), nil
}

// Options say how to print.
type Options struct {
	Format Format
	// Width of the terminal in columns; 0 means unlimited. Only the table looks at it.
	Width int
	// Color switches severity colours on; the word is always there too.
	Color bool
	// Hunt is the hunt's own document, part of the JSON object; nil leaves it out.
	Hunt *hunt.Document
	// Groups are the campaigns that the table shows as one entry, by the finding that leads (Leads).
	Groups map[string]Group
	// Campaigns among the findings, strongest first; the JSON object has them beside the findings.
	Campaigns []hunt.Campaign
}

// Findings prints the findings in their order. An empty list prints an empty table (nothing), [] or nothing.
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
	// Campaigns are what several internal hosts do alike.
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

// Encoder makes the JSON of everything that is printed. It leaves "<", ">" and "&" readable: a pair reads 10.1.4.22>203.0.113.7, and nothing here is put into HTML. What moves a
// terminal's cursor or its text (C1, overrides of direction, zero width) is escaped, which reads as the same text.
func Encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(escaping{w})
	e.SetEscapeHTML(false)
	return e
}
