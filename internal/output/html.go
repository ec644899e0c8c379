package output

import (
	_ "embed"
	"html/template"
	"io"
	"math"
	"time"

	"dwell/internal/hunt"
)

//go:embed report.html
var reportText string

// bar is one part of a score as the report draws it; Width is in pixels of 200.
type bar struct {
	Name         string
	Value, Width float64
}

// writeHTML prints a page that stands alone: no script, nothing from elsewhere, and its own policy forbids both. What
// came out of network data goes through Clean and through the template's escaping, and is never a link.
func writeHTML(w io.Writer, findings []hunt.Finding, doc *hunt.Document) error {
	report, err := template.New("report").Funcs(template.FuncMap{
		"clean": Clean,
		"time":  func(t hunt.Time) string { return t.UTC().Format(time.RFC3339) },
		"parts": func(f hunt.Finding) []bar {
			p := f.Dwell.Parts
			bars := []bar{{Name: "beacon", Value: p.Beacon}, {Name: "long connection", Value: p.LongConnection}, {Name: "strobe", Value: p.Strobe}, {Name: "DNS tunnel", Value: p.DNSTunnel}}
			for i := range bars {
				bars[i].Width = math.Round(200 * min(max(bars[i].Value, 0), 1))
			}
			return bars
		},
	}).Parse(reportText)
	if err != nil {
		return err
	}
	return report.Execute(w, struct {
		Hunt     *hunt.Document
		Findings []hunt.Finding
	}{doc, findings})
}
