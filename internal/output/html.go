package output

import (
	_ "embed"
	"html/template"
	"io"
	"math"

	"dwell/internal/hunt"
)

//go:embed report.html
var reportText string

// bar is a part of a score that is not nothing, as the report draws it; Width is in pixels of 200.
type bar struct {
	Name         string
	Value, Width float64
}

// writeHTML prints a page that stands alone: no script, nothing from elsewhere, and its own policy forbids both. What
// came out of network data goes through Clean and through the template's escaping, and is never a link.
func writeHTML(w io.Writer, findings []hunt.Finding, doc *hunt.Document) error {
	report, err := template.New("report").Funcs(template.FuncMap{
		"clean": Clean,
		"count": hunt.Count[int64],
		"bytes": hunt.Size,
		"time":  func(t hunt.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"parts": func(f hunt.Finding) []bar {
			p := f.Dwell.Parts
			all := []bar{{Name: "beacon", Value: p.Beacon}, {Name: "long connection", Value: p.LongConnection}, {Name: "strobe", Value: p.Strobe}, {Name: "DNS tunnel", Value: p.DNSTunnel}}
			var bars []bar
			for _, b := range all {
				if b.Value > 0 {
					b.Width = math.Round(200 * min(b.Value, 1))
					bars = append(bars, b)
				}
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
