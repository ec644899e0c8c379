package main

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"dwell/integration/pictures/lens"
	"dwell/internal/hunt"
	"dwell/so-config/kibana"
)

// drawn is a panel on the page: columns and rows start at 1, as in CSS grids.
type drawn struct {
	Title      string
	X, Y, W, H int
	Body       template.HTML
}

// esc makes text from data safe in HTML.
func esc(s string) string { return template.HTMLEscapeString(s) }

func draw(p kibana.Panel, rows []row) drawn {
	d := drawn{Title: p.Title, X: p.X + 1, Y: p.Y + 1, W: p.W, H: p.H}
	// The space for the picture in pixels: the grid's cells without borders and title.
	w, h := float64(p.W*cell-26), float64(p.H*cell-46)
	var b string
	switch {
	case p.Kind == kibana.Text:
		b = prose(p.Markdown)
	case len(rows) == 0:
		b = `<p class="none">No results</p>`
	case p.Kind == kibana.Metric:
		b = `<p class="metric">` + esc(show(p.Values[0], rows[0].Values[0])) + `</p>`
	case p.Kind == kibana.Table || p.Kind == kibana.Found:
		b = table(p, rows)
	case p.Kind == kibana.Donut:
		b = donut(p, rows, w, h)
	default:
		b = series(p, rows, w, h)
	}
	d.Body = template.HTML(b) //nolint:gosec // data went through esc
	return d
}

var marks = []struct {
	mark *regexp.Regexp
	html string
}{
	{regexp.MustCompile(`\*\*(.+?)\*\*`), "<b>$1</b>"}, {regexp.MustCompile(`\*(.+?)\*`), "<i>$1</i>"}, {regexp.MustCompile("`(.+?)`"), "<code>$1</code>"},
}

// prose renders the Markdown subset that the panels use.
func prose(markdown string) string {
	s := esc(markdown)
	for _, m := range marks {
		s = m.mark.ReplaceAllString(s, m.html)
	}
	return "<p>" + s + "</p>"
}

// show formats a value as the data view makes Kibana show it.
func show(v kibana.Value, x float64) string {
	switch {
	case math.IsNaN(x):
		return "-"
	case v.Field == "dwell.window.end", v.Field == "event.start":
		return time.UnixMilli(int64(x)).UTC().Format("2 Jan, 15:04")
	}
	switch lens.Format(v) {
	case kibana.Score:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case kibana.Bytes:
		return hunt.Size(int64(x))
	case kibana.Duration:
		return hunt.Seconds(x)
	}
	if x != math.Trunc(x) {
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return hunt.Count(int64(x))
}

// color is the CSS class of a series or slice: severities have their own, others take turns.
func color(name string, i int) string {
	switch n := strings.ToLower(name); n {
	case "critical", "high", "medium", "low":
		return n
	}
	return "c" + strconv.Itoa(i%6)
}

// rank sorts severities first, worst to best.
func rank(name string) int {
	if i := slices.Index([]string{"critical", "high", "medium", "low"}, strings.ToLower(name)); i >= 0 {
		return i
	}
	return 4
}

func legend(names []string, values func(i int) string) string {
	var b strings.Builder
	b.WriteString(`<ul class="legend">`)
	for i, n := range names {
		fmt.Fprintf(&b, `<li><i class="%s"></i>%s %s</li>`, color(n, i), esc(n), esc(values(i)))
	}
	return b.String() + "</ul>"
}

func table(p kibana.Panel, rows []row) string {
	if len(p.Values) > 0 {
		slices.SortStableFunc(rows, func(a, b row) int { return compare(b.Values[0], a.Values[0]) })
	}
	var b strings.Builder
	b.WriteString("<table><thead><tr>")
	for _, c := range lens.Columns(&p) {
		fmt.Fprintf(&b, "<th>%s</th>", esc(cmp.Or(kibana.Labels[c], c)))
	}
	for _, g := range p.By {
		fmt.Fprintf(&b, "<th>%s</th>", esc(g.Label))
	}
	text := make([]bool, len(p.Values)) // columns of text, which stand to the left
	for i, v := range p.Values {
		text[i] = slices.ContainsFunc(rows, func(r row) bool { return r.Texts[i] != "" })
		fmt.Fprintf(&b, `<th%s>%s</th>`, right(!text[i]), esc(v.Label))
	}
	b.WriteString("</tr></thead><tbody>")
	for _, r := range rows {
		b.WriteString("<tr>")
		for _, k := range r.Keys {
			fmt.Fprintf(&b, "<td>%s</td>", esc(k.Text))
		}
		for i, v := range p.Values {
			fmt.Fprintf(&b, `<td%s>%s</td>`, right(!text[i]), esc(cmp.Or(r.Texts[i], show(v, r.Values[i]))))
		}
		b.WriteString("</tr>")
	}
	return b.String() + "</tbody></table>"
}

// right is the class of a cell with a number.
func right(number bool) string {
	if number {
		return ` class="n"`
	}
	return ""
}

// compare orders numbers, with NaN lowest.
func compare(a, b float64) int {
	switch {
	case a < b || math.IsNaN(a) && !math.IsNaN(b):
		return -1
	case a > b || math.IsNaN(b) && !math.IsNaN(a):
		return 1
	}
	return 0
}

func donut(p kibana.Panel, rows []row, w, h float64) string {
	slices.SortStableFunc(rows, func(a, b row) int { return compare(b.Values[0], a.Values[0]) })
	total := 0.0
	var names []string
	for _, r := range rows {
		total += r.Values[0]
		names = append(names, r.Keys[0].Text)
	}
	h -= 26 // the legend, two lines if it is long
	if len(names) > 3 && w < 400 {
		h -= 18
	}
	radius := min(w, h)/2 - 4
	var b strings.Builder
	fmt.Fprintf(&b, `<svg width="%.0f" height="%.0f" role="img">`, w, h)
	// Each slice is a dash of a circle's stroke, rotated to its start.
	around, begun := 2*math.Pi*radius*0.75, 0.0
	for i, r := range rows {
		part := r.Values[0] / total
		fmt.Fprintf(&b, `<circle class="slice %s" cx="%.1f" cy="%.1f" r="%.1f" stroke-width="%.1f" stroke-dasharray="%.2f %.2f" transform="rotate(%.2f %.1f %.1f)"/>`,
			color(names[i], i), w/2, h/2, radius*0.75, radius*0.5, max(around*part-2, 1), around, 360*begun-90, w/2, h/2)
		begun += part
	}
	return b.String() + "</svg>" + legend(names, func(i int) string { return hunt.Count(int64(rows[i].Values[0])) })
}
